"""A callback that takes two arguments."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task


def tell(context, channel):
    return context, channel

with DAG(  # expect: callback
    dag_id="callback_dag",
    description="An example",
    schedule="@daily",
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=1),
    default_args={"owner": "data-team", "retries": 2},
    tags=["example"],
    doc_md=__doc__,
    on_failure_callback=tell,
):
    @task
    def load():
        return 1

    load()
# cure: tell(context, channel) => tell(context, channel=1)
