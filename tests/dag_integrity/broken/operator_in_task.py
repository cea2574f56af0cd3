"""A task that executes an operator."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task
from airflow.providers.standard.operators.bash import BashOperator

with DAG(
    dag_id="operator_in_task",
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
    def load(**context):
        BashOperator(task_id="inner", bash_command="true").execute(context)  # expect: operator-in-task

    load()
# cure: BashOperator(task_id="inner", bash_command="true").execute(context) => print(context)
