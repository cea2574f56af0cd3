"""A function under @task as the callable of an operator."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task
from airflow.providers.standard.operators.python import PythonOperator

with DAG(
    dag_id="op_arguments_task",
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
        print("loaded")

    PythonOperator(task_id="other", python_callable=load)  # expect: op-arguments
# cure: @task\n    def => def
