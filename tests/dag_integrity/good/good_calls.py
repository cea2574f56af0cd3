"""Callbacks, params, XComs and DAGs that are there."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, Param, task
from airflow.providers.standard.operators.bash import BashOperator
from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator


def tell(context):
    return context

with DAG(
    dag_id="good_calls",
    description="An example",
    schedule="@daily",
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=1),
    default_args={"owner": "data-team", "retries": 2},
    tags=["example"],
    doc_md=__doc__,
    params={"day": Param(None, type=["null", "string"])},
    on_failure_callback=[tell, print],
):
    @task(on_retry_callback=tell)
    def load(ti=None):
        return ti.xcom_pull(task_ids="say")

    say = BashOperator(task_id="say", bash_command="echo {{ params.day }} {{ params.get('x') }} ${ ds } {{ ti.xcom_pull(task_ids='load', dag_id='x') }}")
    say >> load() >> TriggerDagRunOperator(task_id="next", trigger_dag_id="good_clock")
