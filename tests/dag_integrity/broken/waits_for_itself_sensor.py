"""A sensor waits for what waits for it."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.providers.standard.sensors.external_task import ExternalTaskSensor

with DAG(
    dag_id="waits_for_itself_sensor",
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
    wait = ExternalTaskSensor(  # expect: waits-for-itself
        task_id="wait",
        external_dag_id="waits_for_itself_sensor",
        external_task_id="publish",
        mode="reschedule",
    )
    wait >> EmptyOperator(task_id="publish")
# cure: mode="reschedule", => mode="reschedule",\n        execution_delta=timedelta(days=1),
