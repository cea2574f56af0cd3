"""The same by the context, and there is another."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task

with DAG(
    dag_id="unknown_param_context",
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
    @task(params={"shop": "north"})
    def load(**context):
        print(context["params"]["shpo"])  # expect: unknown-param

    load()
# cure: shpo => shop
