"""A variable that is in no pod."""

from datetime import timedelta

import pendulum
import os
from airflow.sdk import DAG, task

STAGE = os.environ["STAGE"]  # expect: import-error

with DAG(
    dag_id="import_error_environment",
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
# cure: os.environ["STAGE"] => os.environ.get("STAGE", "test")
