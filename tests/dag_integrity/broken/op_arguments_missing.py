"""A function that is not given what it needs."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG
from airflow.providers.standard.operators.python import PythonOperator

def copy(table, limit=1):
    print(table, limit)

with DAG(
    dag_id="op_arguments_missing",
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
    PythonOperator(task_id="copy", python_callable=copy, op_kwargs={"limit": 3})  # expect: op-arguments
# cure: {"limit": 3} => {"table": "a", "limit": 3}
