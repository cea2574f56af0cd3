"""Seconds where a timedelta is due."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG
from airflow.providers.standard.operators.bash import BashOperator

with DAG(
    dag_id="import_error_seconds",
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
    BashOperator(task_id="load", bash_command="echo", execution_timeout=3600)  # expect: import-error
# cure: execution_timeout=3600 => execution_timeout=timedelta(hours=1)
