"""Tasks in a circle."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG
from airflow.providers.standard.operators.empty import EmptyOperator

with DAG(  # expect: cycle
    dag_id="cycle",
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
    one, two = EmptyOperator(task_id="one"), EmptyOperator(task_id="two")
    one >> two >> one
# cure: one >> two >> one => one >> two
