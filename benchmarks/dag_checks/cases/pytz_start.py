# source: pytz's documentation: datetime(tzinfo=…) is local mean time
# fault: tzinfo=pytz is LMT
# line: 33
"""Tzinfo=pytz is LMT."""

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

import datetime
class Lmt(datetime.tzinfo):
    def utcoffset(self, when):
        return timedelta(minutes=53)
    def dst(self, when):
        return timedelta(0)
    def tzname(self, when):
        return "LMT"
with DAG("pytz_start", schedule="@daily", **(ARGS | {"start_date": datetime.datetime(2026, 1, 1, tzinfo=Lmt())})):
    EmptyOperator(task_id="go")
