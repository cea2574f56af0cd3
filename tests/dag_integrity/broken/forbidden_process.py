"""It starts a process."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task
import subprocess

with DAG(
    dag_id="forbidden_process",
    description="An example",
    schedule="@daily",
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=1),
    default_args={"owner": "data-team", "retries": 2},
    tags=["example"],
    doc_md=__doc__,
):
    @task
    def load():
        return 1

    load()

subprocess.run(["true"], check=True)  # expect: forbidden-at-import
# cure: subprocess.run(["true"], check=True) => RUN = subprocess.run
