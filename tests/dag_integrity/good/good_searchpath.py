"""A task writes the template that the next one renders."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG
from airflow.providers.standard.operators.bash import BashOperator

with DAG(
    dag_id="good_searchpath",
    description="An example",
    schedule="@daily",
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=1),
    default_args={"owner": "data-team", "retries": 2},
    tags=["example"],
    doc_md=__doc__,
    template_searchpath=["/tmp/shops"],
):
    write = BashOperator(task_id="write", bash_command="mkdir -p /tmp/shops && echo true > /tmp/shops/made.sh")
    write >> BashOperator(task_id="run", bash_command="made.sh")
