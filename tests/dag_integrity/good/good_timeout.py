"""Each task has its own."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task

with DAG(
    dag_id="good_timeout",
    description="An example",
    schedule="@daily",
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    default_args={"owner": "data-team", "retries": 2, "execution_timeout": timedelta(minutes=5)},
    tags=["example"],
    doc_md=__doc__,
):
    @task
    def load():
        return 1

    load()
