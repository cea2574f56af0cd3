"""Two tasks have the same id."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG
from airflow.providers.standard.operators.empty import EmptyOperator

with DAG(
    dag_id="import_error_task_twice",
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
    EmptyOperator(task_id="same")
    EmptyOperator(task_id="same")  # expect: import-error
# cure: last EmptyOperator(task_id="same") => EmptyOperator(task_id="other")
