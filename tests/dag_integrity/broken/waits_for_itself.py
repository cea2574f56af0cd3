"""A DAG that waits for itself."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG
from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator

with DAG(
    dag_id="waits_for_itself",
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
    TriggerDagRunOperator(task_id="again", trigger_dag_id="waits_for_itself", wait_for_completion=True)  # expect: waits-for-itself
# cure: , wait_for_completion=True => 
