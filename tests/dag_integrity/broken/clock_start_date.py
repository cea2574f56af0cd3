"""A start date that moves."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task

with DAG(
    dag_id="clock_start_date",
    description="An example",
    schedule="@daily",
    start_date=pendulum.now("UTC").subtract(days=1),  # expect: clock-at-import
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=1),
    default_args={"owner": "data-team", "retries": 2},
    tags=["example"],
    doc_md=__doc__,
):
    @task
    def load():
        return 1

    load()
# cure: pendulum.now("UTC").subtract(days=1) => pendulum.datetime(2026, 1, 1, tz="UTC")
