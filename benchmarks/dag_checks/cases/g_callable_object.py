# source: written for this bench
# fault: none
"""A callable that is no function, a method, a builtin."""

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

class Loader:
    def __call__(self, table):
        print(table)
    def load(self, table):
        print(table)
with DAG("g_callable_object", schedule="@daily", **ARGS):
    PythonOperator(task_id="a", python_callable=Loader(), op_args=["x"])
    PythonOperator(task_id="b", python_callable=Loader().load, op_kwargs={"table": "x"})
    PythonOperator(task_id="c", python_callable=print, op_args=["x"])
