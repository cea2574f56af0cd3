# source: written for this bench
# fault: none
"""Templates with what there is."""

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

with DAG("g_dag_run_template", schedule="@daily", **ARGS):
    a = BashOperator(task_id="a", bash_command="echo {{ dag_run.conf.get('x', 1) }} {{ dag_run.run_id }} {{ ti.try_number }} {{ ti.xcom_pull(task_ids='b', key='x') }} {{ dag.dag_id }} {{ task.owner }}")
    b = BashOperator(task_id="b", bash_command="echo")
    b >> a
