"""A task in a group is called without the group's name."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, TaskGroup
from airflow.providers.standard.operators.bash import BashOperator

with DAG(
    dag_id="xcom_group",
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
    with TaskGroup("shop") as shop:
        BashOperator(task_id="count", bash_command="echo 3")
    shop >> BashOperator(task_id="show", bash_command="echo {{ ti.xcom_pull(task_ids='count') }}")  # expect: xcom
# cure: task_ids='count' => task_ids='shop.count'
