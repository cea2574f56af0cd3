"""It waits for a run of its own date, and that DAG has none."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG
from airflow.providers.standard.sensors.external_task import ExternalTaskSensor
from datetime import timedelta as span

with DAG(
    dag_id="sensor_schedule",
    description="An example",
    schedule="0 4 * * *",
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=1),
    default_args={"owner": "data-team", "retries": 2},
    tags=["example"],
    doc_md=__doc__,
):
    ExternalTaskSensor(  # expect: sensor-schedule
        task_id="wait", external_dag_id="good_schedule_early", external_task_id="load", mode="reschedule"
    )
# cure: mode="reschedule" => mode="reschedule", execution_delta=span(hours=2, minutes=50)
