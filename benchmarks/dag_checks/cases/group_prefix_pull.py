# source: Airflow's own checks and documentation
# fault: pull from a task in a group without the prefix
# line: 28
"""Pull from a task in a group without the prefix."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, Asset, Param, TaskGroup, dag, task, task_group
from airflow.providers.standard.operators.bash import BashOperator
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.providers.standard.operators.python import BranchPythonOperator, PythonOperator, ShortCircuitOperator

ARGS = dict(
    description="x",
    doc_md=__doc__,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=2),
    default_args={"owner": "data-team", "retries": 2, "retry_delay": timedelta(minutes=5)},
    tags=["t"],
)

with DAG("group_prefix_pull", schedule="@daily", **ARGS):
    with TaskGroup("g") as g:
        BashOperator(task_id="a", bash_command="echo")
    g >> BashOperator(task_id="b", bash_command="echo {{ ti.xcom_pull(task_ids='a') }}")
