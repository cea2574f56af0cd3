# source: written for this bench
# fault: none
"""Partials, objects, lists."""

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

import functools
def tell(context, channel="x"):
    print(context, channel)
class Notify:
    def __call__(self, context):
        print(context)
with DAG("g_callbacks", schedule="@daily", on_failure_callback=[functools.partial(tell, channel="y"), Notify()], **ARGS):
    BashOperator(task_id="a", bash_command="echo", on_failure_callback=tell)
