"""By its annotation a task has multiple outputs, and their names are numbers."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task

with DAG(
    dag_id="multiple_outputs_keys",
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
    def fetch() -> dict:
        return {1: "north", 2: "south"}  # expect: multiple-outputs

    fetch()
# cure: {1: "north", 2: "south"} => {"one": "north", "two": "south"}
