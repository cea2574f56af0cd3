"""In a function that is called at parse."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task
import time

with DAG(
    dag_id="clock_in_called_function",
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


def seed():
    return int(time.time()) // 1_000_000_000  # expect: clock-at-import


SEED = seed()
# cure: int(time.time()) // 1_000_000_000 => 1
