"""It ends the process at once."""  # expect: process-death

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task
import os

with DAG(
    dag_id="process_death_hard",
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
        return 1

    load()

os._exit(0)
# cure: os._exit(0) =>
