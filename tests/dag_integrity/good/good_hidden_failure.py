"""What runs in any case is not all that is last."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG
from airflow.providers.standard.operators.bash import BashOperator

with DAG(
    dag_id="good_hidden_failure",
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
    load = BashOperator(task_id="load", bash_command="true")
    load >> BashOperator(task_id="clean_up", bash_command="true", trigger_rule="all_done")
    load >> BashOperator(task_id="report", bash_command="true")
