"""Airflow 2 looked into all tasks, Airflow 3 looks into this one."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task

with DAG(
    dag_id="xcom_own",
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
    @task
    def first(**context):
        context["ti"].xcom_push(key="rows", value=1)

    @task
    def second(**context):
        print(context["ti"].xcom_pull(key="rows"))  # expect: xcom-own

    first() >> second()
# cure: xcom_pull(key => xcom_pull(task_ids="first", key
