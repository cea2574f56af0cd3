"""A teardown is not skipped."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG
from airflow.providers.standard.operators.bash import BashOperator
from airflow.providers.standard.operators.python import ShortCircuitOperator

with DAG(
    dag_id="good_short_circuit",
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
    check = ShortCircuitOperator(task_id="check", python_callable=lambda: False)
    load = BashOperator(task_id="load", bash_command="true")
    check >> load >> BashOperator(task_id="clean_up", bash_command="true").as_teardown(setups=load)
