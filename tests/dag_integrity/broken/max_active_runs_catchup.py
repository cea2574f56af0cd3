"""Catch-up without a limit."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task

with DAG(  # expect: max-active-runs
    dag_id="max_active_runs_catchup",
    description="An example",
    schedule="@daily",
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=True,
    dagrun_timeout=timedelta(hours=1),
    default_args={"owner": "data-team", "retries": 2},
    tags=["example"],
    doc_md=__doc__,
):
    @task
    def load():
        return 1

    load()
# cure:     catchup=True, =>     catchup=True,\n    max_active_runs=1,
