"""Decisions on what is known, and in a task."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task

SHOPS = ["north"]

with DAG(
    dag_id="good_output_in_if",
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
    @task
    def check(limit=1) -> bool:
        if limit:
            return True
        return False

    found = check()
    if found is not None and SHOPS:
        check(found)
