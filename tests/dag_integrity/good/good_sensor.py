"""Sensors that give the worker back, or wait for minutes."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG
from airflow.providers.standard.sensors.filesystem import FileSensor

with DAG(
    dag_id="good_sensor",
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
    FileSensor(task_id="first", filepath="/data/in.csv", mode="reschedule") >> FileSensor(
        task_id="second", filepath="/data/in.csv", timeout=600
    )
