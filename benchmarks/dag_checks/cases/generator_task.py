# source: Airflow's callback runner: what is no Metadata of an asset is ignored
# fault: a task that yields: what it yields gets lost
# line: 29
"""A task that yields."""

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

with DAG("generator_task", schedule="@daily", **ARGS):
    @task
    def rows():
        for number in range(3):
            yield number
    rows()
