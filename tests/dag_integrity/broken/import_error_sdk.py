"""A module that airflow.sdk has not."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task
from airflow.sdk.task import task as other  # expect: import-error

with DAG(
    dag_id="import_error_sdk",
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
        return other

    load()
# cure: from airflow.sdk.task import task as other  # expect: import-error => other = 1
