"""The clock is read for a log line."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task
import logging
import time


STARTED = time.time()

with DAG(
    dag_id="good_clock_log",
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


logging.getLogger(__name__).info("parsed at %s in %s s", pendulum.now("UTC"), time.time() - STARTED)
