# source: https://github.com/apache/airflow/pull/47146
# fault: email in default_args
# line: 25
"""Email in default_args."""

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

with DAG("email_default", schedule="@daily", **(ARGS | {"default_args": ARGS["default_args"] | {"email": ["a@b.c"], "email_on_failure": True}})):
    BashOperator(task_id="load", bash_command="echo")
