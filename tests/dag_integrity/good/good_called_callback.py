"""A function that makes a callback."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task

def notifier(channel):
    def notify(context):
        print(context, channel)

    return notify

with DAG(
    dag_id="good_called_callback",
    description="An example",
    schedule="@daily",
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=1),
    default_args={"owner": "data-team", "retries": 2},
    tags=["example"],
    doc_md=__doc__,
    on_failure_callback=notifier("a"),
):
    @task
    def load():
        return 1

    load()
