# source: https://github.com/apache/airflow/issues/31677
# fault: for x in task()
# line: 32
"""For x in task()."""

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

with DAG("loop_over_output", schedule="@daily", **ARGS):
    @task
    def names():
        return ["a"]
    @task
    def each(x):
        print(x)
    for name in names():
        each(name)
