"""It waits for a task that is not there."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG
from airflow.providers.standard.sensors.external_task import ExternalTaskSensor

with DAG(
    dag_id="unknown_dag_task",
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
    ExternalTaskSensor(task_id="wait", external_dag_id="tags_none", external_task_id="lod", mode="reschedule")  # expect: unknown-dag
# cure: "lod" => "load"
