"""It needs the repository's root on the path, which a pod has not."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task
from scripts import run  # expect: import-error

with DAG(
    dag_id="import_error_repository",
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
# cure: from scripts import run => run = 1
