"""An operator from where Airflow 2 had it."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG
from airflow.operators.bash import BashOperator

with DAG(
    dag_id="airflow_3_moved",
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
    BashOperator(task_id="say", bash_command="true")  # expect: airflow-3
# cure: airflow.operators.bash => airflow.providers.standard.operators.bash
