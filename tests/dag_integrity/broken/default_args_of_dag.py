"""An argument of the DAG among those of its tasks, where nobody reads it."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG
from airflow.providers.standard.operators.bash import BashOperator

with DAG(
    dag_id="default_args_of_dag",
    description="An example",
    schedule="@daily",
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=1),
    default_args={"owner": "data-team", "retries": 2, "max_active_tasks": 1},  # expect: default-args
    tags=["example"],
    doc_md=__doc__,
):
    BashOperator(task_id="load", bash_command="echo")
# cure: , "max_active_tasks": 1}, => }, max_active_tasks=1,
