"""A task has a process of its own."""

from datetime import timedelta

import pendulum
import os
from airflow.sdk import DAG, task

STAGE = os.environ.get("STAGE", "test")

with DAG(
    dag_id="good_process_state",
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
    def load():
        os.environ["STAGE"] = "test"
        os.chdir("/tmp")

    load()
