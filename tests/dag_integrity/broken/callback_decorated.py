"""A callback is a task."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task


@task
def tell(context):
    print(context["ti"])


with DAG(
    dag_id="callback_decorated",
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
# cure: @task\ndef tell => def tell
