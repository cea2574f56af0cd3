"""The environment of the process, its directory and a thread."""

from datetime import timedelta

import pendulum
import os
import threading
from airflow.sdk import DAG, task

os.environ["STAGE"] = "test"  # expect: process-state
os.chdir("/tmp")  # expect: process-state
WATCH = threading.Thread(target=print)  # expect: process-state

with DAG(
    dag_id="process_state",
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
# cure: os.environ["STAGE"] = "test" =>
# cure: os.chdir("/tmp") =>
# cure: threading.Thread(target=print) => None
