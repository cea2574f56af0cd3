"""expand_kwargs() gives an argument that the function does not take."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task

with DAG(
    dag_id="mapped_arguments",
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
    def load(shop, day="today"):
        return shop, day

    load.expand_kwargs([{"shop": "north"}, {"shop": "south", "date": "today"}])  # expect: mapped-arguments
# cure: "date": => "day":
