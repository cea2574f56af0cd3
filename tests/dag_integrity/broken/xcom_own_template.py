"""A template pulls from no task by name."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG
from airflow.providers.standard.operators.bash import BashOperator

with DAG(
    dag_id="xcom_own_template",
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
    first = BashOperator(task_id="first", bash_command="echo 1")
    first >> BashOperator(task_id="second", bash_command="echo {{ ti.xcom_pull(key='return_value') }}")  # expect: xcom-own
# cure: xcom_pull(key='return_value') => xcom_pull(task_ids='first')
