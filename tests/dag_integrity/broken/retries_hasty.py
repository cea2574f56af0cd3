"""Retried at once."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task

with DAG(
    dag_id="retries_hasty",
    description="An example",
    schedule="@daily",
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=1),
    default_args={"owner": "data-team", "retries": 2, "retry_delay": timedelta(seconds=1)},
    tags=["example"],
    doc_md=__doc__,
):
    @task  # expect: retries
    def load():
        return 1

    load()
# cure: timedelta(seconds=1) => timedelta(minutes=5)
