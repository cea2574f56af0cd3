"""Multiple outputs of a list."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task

with DAG(
    dag_id="multiple_outputs",
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
    @task(multiple_outputs=True)
    def fetch():
        return ["north", "south"]  # expect: multiple-outputs

    fetch()
# cure: multiple_outputs=True => multiple_outputs=False
