"""It pulls from several tasks, of which one is not there."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task
from airflow.providers.standard.operators.bash import BashOperator

with DAG(
    dag_id="xcom_list",
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
    @task
    def load():
        return 1

    @task
    def add(**context):
        return sum(context["ti"].xcom_pull(task_ids=["load", "lord"]))  # expect: xcom

    load() >> add() >> BashOperator(task_id="say", bash_command="echo {{ ti.xcom_pull(['load']) }}")
# cure: "lord" => "load"
