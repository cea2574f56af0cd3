"""A callback that is called when the file is parsed."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task

def notify(context=None):
    print(context)

with DAG(
    dag_id="called_callback",
    description="An example",
    schedule="@daily",
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=1),
    default_args={"owner": "data-team", "retries": 2},
    tags=["example"],
    doc_md=__doc__,
    on_failure_callback=notify(),  # expect: called-callback
):
    @task
    def load():
        return 1

    load()
# cure: notify(), => notify,
