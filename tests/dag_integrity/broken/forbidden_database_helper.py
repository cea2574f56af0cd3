"""A function of a helper connects by a library in C."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task
from broken_helpers.database import connect

with DAG(
    dag_id="forbidden_database_helper",
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


CONNECTION = connect()  # expect: forbidden-at-import
# cure: CONNECTION = connect() =>
