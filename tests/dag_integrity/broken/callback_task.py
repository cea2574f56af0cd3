"""A callback that takes no argument."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task


def tell():
    return 1

with DAG(
    dag_id="callback_task",
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
    @task(on_failure_callback=tell)  # expect: callback
    def load():
        return 1

    load()
# cure: def tell() => def tell(context)
