"""The class of hooks from where Airflow 1 had it."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG
from airflow.hooks.base_hook import BaseHook
from airflow.providers.standard.operators.empty import EmptyOperator


class Shop(BaseHook):  # expect: airflow-3
    pass


with DAG(
    dag_id="airflow_3_base_hook",
    description="An example",
    schedule="@daily",
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=1),
    default_args={"owner": "data-team", "retries": 2},
    tags=["example"],
    doc_md=__doc__,
):
    EmptyOperator(task_id="say")
# cure: airflow.hooks.base_hook => airflow.sdk
