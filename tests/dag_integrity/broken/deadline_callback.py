"""The triggerer cannot import the callback of its deadline."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, AsyncCallback, DeadlineAlert, DeadlineReference, task

async def late():
    print("late")

QUEUED, HOUR = DeadlineReference.DAGRUN_QUEUED_AT, timedelta(hours=1)

with DAG(  # expect: deadline-callback
    dag_id="deadline_callback",
    description="An example",
    schedule="@daily",
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=1),
    default_args={"owner": "data-team", "retries": 2},
    tags=["example"],
    doc_md=__doc__,
    deadline=DeadlineAlert(reference=QUEUED, interval=HOUR, callback=AsyncCallback(late)),
):
    @task
    def load():
        return 1

    load()
# cure: AsyncCallback(late) => AsyncCallback("alerts.late")
