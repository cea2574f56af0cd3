# source: written for this bench
# fault: none
"""Answers in some ways, or raises."""

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

from airflow.sdk import PokeReturnValue
from airflow.sdk.exceptions import AirflowSkipException
with DAG("g_answer", schedule="@daily", **ARGS):
    @task.short_circuit
    def check():
        return pendulum.now().day == 1
    @task.sensor(mode="reschedule", timeout=600)
    def there():
        return PokeReturnValue(is_done=True, xcom_value=1)
    @task.branch
    def choose():
        if pendulum.now().day == 1:
            return
        return "load"
    @task.short_circuit
    def never():
        raise AirflowSkipException("x")
    load = EmptyOperator(task_id="load")
    check() >> there() >> choose() >> load
    never() >> EmptyOperator(task_id="after")
