# source: written for this bench
# fault: none
"""Contexts by other names."""

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

from airflow.sdk import BaseOperator, BaseSensorOperator
class A(BaseOperator):
    def execute(self, ctx):
        return 1
class B(BaseOperator):
    def execute(self, *args, **kwargs):
        return 1
class C(BaseSensorOperator):
    def __init__(self, **kwargs):
        super(C, self).__init__(**kwargs)
    def poke(self, context, extra=None):
        return True
class D(A):
    def __init__(self, *, table="x", **kwargs):
        A.__init__(self, **kwargs)
        self.table = table
with DAG("g_execute", schedule="@daily", **ARGS):
    A(task_id="a") >> B(task_id="b") >> C(task_id="c", timeout=60) >> D(task_id="d")
