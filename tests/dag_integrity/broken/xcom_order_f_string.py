"""An f-string of a task's output is a template, and makes no arrow."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task
from airflow.providers.standard.operators.bash import BashOperator

with DAG(
    dag_id="xcom_order_f_string",
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
    def fetch():
        return "abc"

    value = fetch()
    BashOperator(task_id="say", bash_command=f"echo {value}")  # expect: xcom-order
# cure:     BashOperator(task_id =>     value >> BashOperator(task_id
