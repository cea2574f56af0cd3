# source: https://github.com/apache/airflow/issues/13414
# fault: conf is not JSON
# line: 29
"""Conf is not JSON."""

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

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
with DAG("trigger_conf_other", schedule=None, **ARGS):
    EmptyOperator(task_id="go")
with DAG("trigger_conf", schedule="@daily", **ARGS):
    TriggerDagRunOperator(task_id="start", trigger_dag_id="trigger_conf_other", conf={"day": pendulum.datetime(2026, 1, 1)})
