"""A function asks for what the context of Airflow 3 has not."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG
from airflow.providers.standard.operators.python import PythonOperator


def load(next_execution_date):
    print(next_execution_date)


with DAG(
    dag_id="op_arguments_removed",
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
    PythonOperator(task_id="load", python_callable=load)  # expect: op-arguments
# cure: load(next_execution_date) => load(data_interval_end)
# cure: print(next_execution_date) => print(data_interval_end)
