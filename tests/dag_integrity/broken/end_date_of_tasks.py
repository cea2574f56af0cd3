"""Its tasks end before they start."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG
from airflow.providers.standard.operators.empty import EmptyOperator

with DAG(  # expect: end-date
    dag_id="end_date_of_tasks",
    description="An example",
    schedule="@daily",
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=1),
    default_args={"owner": "data-team", "retries": 2, "end_date": pendulum.datetime(2025, 1, 1, tz="UTC")},
    tags=["example"],
    doc_md=__doc__,
):
    EmptyOperator(task_id="say")
# cure: pendulum.datetime(2025, => pendulum.datetime(2027,
