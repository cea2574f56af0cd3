# source: written for this bench
# fault: none
"""Mapped operators with all of it."""

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

with DAG("g_mapped", schedule="@daily", **ARGS):
    @task
    def parts() -> list[dict]:
        return [{"x": 1}]
    @task
    def each(x, y):
        return {"sum": x + y}
    BashOperator.partial(task_id="say", env={"A": "1"}).expand(bash_command=["echo 1", "echo 2"])
    each.partial(y=2).expand_kwargs(parts())
