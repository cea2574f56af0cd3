# source: written for this bench
# fault: none
"""Multiple outputs, by annotation, by argument, by a push."""

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

with DAG("g_output_key", schedule="@daily", **ARGS):
    @task
    def one() -> dict[str, int]:
        return {"a": 1}
    @task(multiple_outputs=True)
    def two():
        return {"a": 1}
    @task
    def three(**context):
        context["ti"].xcom_push(key="a", value=1)
    @task
    def four(ti=None):
        ti.xcom_push("a", 1)
    @task
    def show(a, b, c, d):
        print(a, b, c, d)
    show(one()["a"], two()["a"], three()["a"], four()["a"])
