"""A text in parentheses is no tuple."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG
from airflow.providers.standard.operators.python import PythonOperator


def load(*tables):
    print(tables)


with DAG(
    dag_id="letters_op_args",
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
    PythonOperator(task_id="load", python_callable=load, op_args=("orders"))  # expect: letters
# cure: ("orders") => ["orders"]
