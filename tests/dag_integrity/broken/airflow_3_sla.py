"""An argument that Airflow 3 ignores."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG
from airflow.providers.standard.operators.python import PythonOperator

with DAG(
    dag_id="airflow_3_sla",
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
    PythonOperator(task_id="say", python_callable=print, sla=timedelta(hours=1))  # expect: airflow-3
# cure: , sla=timedelta(hours=1) =>
