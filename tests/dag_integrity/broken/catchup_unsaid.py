"""Catch-up is not said."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task

with DAG(  # expect: catchup
    dag_id="catchup_unsaid",
    description="An example",
    schedule="@daily",
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
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
# cure:     max_active_runs=1, =>     catchup=False,\n    max_active_runs=1,
