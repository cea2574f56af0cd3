"""One of its tasks is in no DAG."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task
from airflow.providers.standard.operators.bash import BashOperator

with DAG(
    dag_id="task_outside",
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
        return 1

    load()

BashOperator(task_id="say", bash_command="true")  # expect: task-outside
# cure: \nBashOperator( =>     BashOperator(
