"""A sensor that holds a worker for a week."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG
from airflow.providers.standard.sensors.filesystem import FileSensor

with DAG(
    dag_id="sensor_slot",
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
    FileSensor(task_id="wait", filepath="/data/in.csv")  # expect: sensor-slot
# cure: "/data/in.csv" => "/data/in.csv", mode="reschedule"
