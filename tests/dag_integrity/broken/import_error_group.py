"""A group and a task of one name."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, TaskGroup
from airflow.providers.standard.operators.empty import EmptyOperator

with DAG(
    dag_id="import_error_group",
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
    EmptyOperator(task_id="load")
    with TaskGroup("load"):  # expect: import-error
        EmptyOperator(task_id="go")
# cure: TaskGroup("load") => TaskGroup("loads")
