"""A task is given another one, and not what it returns."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task

with DAG(
    dag_id="op_arguments_given",
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
    def extract():
        return [1, 2]

    @task
    def load(rows):  # expect-above: op-arguments
        return len(rows)

    extract()
    load(extract)
# cure: extract()\n    load(extract) => load(extract())
