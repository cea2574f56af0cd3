# source: https://github.com/apache/airflow/issues/46513
# fault: the same in a template
# line: 27
"""The same in a template."""

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

with DAG("xcom_no_task_ids_template", schedule="@daily", **ARGS):
    a = BashOperator(task_id="a", bash_command="echo 1")
    b = BashOperator(task_id="b", bash_command="echo {{ ti.xcom_pull(key='return_value') }}")
    a >> b
