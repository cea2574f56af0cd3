# source: https://github.com/apache/airflow/pull/47320
# fault: trigger_dag of the database in a task
# line: 29
"""Trigger_dag of the database in a task."""

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

from airflow.api.common.trigger_dag import trigger_dag
with DAG("orm_trigger", schedule="@daily", **ARGS):
    @task
    def load():
        trigger_dag("other")
    load()
