"""An argument that has another name in Airflow 3."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG
from airflow.providers.standard.operators.python import PythonOperator

with DAG(
    dag_id="airflow_3_schedule_interval",
    description="An example",
    schedule_interval="@daily",  # expect: airflow-3
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=1),
    default_args={"owner": "data-team", "retries": 2},
    tags=["example"],
    doc_md=__doc__,
):
    PythonOperator(task_id="say", python_callable=print)
# cure: schedule_interval= => schedule=
