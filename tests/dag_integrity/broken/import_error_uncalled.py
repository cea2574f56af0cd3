"""An arrow between functions that nobody called."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task

with DAG(
    dag_id="import_error_uncalled",
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
    def extract():
        print("extracted")

    @task
    def load():
        print("loaded")

    extract >> load  # expect: import-error
# cure: extract >> load => extract() >> load()
