# source: https://github.com/apache/airflow/issues/51821
# fault: xcom_pull without task_ids means own task in Airflow 3
# line: 31
"""Xcom_pull without task_ids means own task in Airflow 3."""

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

with DAG("xcom_no_task_ids", schedule="@daily", **ARGS):
    @task
    def first(**context):
        context["ti"].xcom_push(key="rows", value=1)
    @task
    def second(**context):
        print(context["ti"].xcom_pull(key="rows"))
    first() >> second()
