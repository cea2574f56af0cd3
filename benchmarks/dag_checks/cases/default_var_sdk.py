# source: Airflow 3's upgrade guide, Variables
# fault: Variable.get(default_var=) of the SDK
# line: 29
"""Variable.get(default_var=) of the SDK."""

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

from airflow.sdk import Variable
with DAG("default_var_sdk", schedule="@daily", **ARGS):
    @task
    def load():
        print(Variable.get("limit", default_var="3"))
    load()
