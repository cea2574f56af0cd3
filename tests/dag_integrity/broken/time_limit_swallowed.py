"""It hangs, and swallows what should end that."""  # expect: time-limit

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task
import threading

with DAG(
    dag_id="time_limit_swallowed",
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

while True:
    try:
        threading.Event().wait()
    except BaseException:
        pass
# cure: while True: => for _ in range(1):
# cure: threading.Event().wait() => threading.Event()
