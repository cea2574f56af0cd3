"""One of its callbacks is None."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task

with DAG(  # expect: callback
    dag_id="callback_none",
    description="An example",
    schedule="@daily",
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=1),
    default_args={"owner": "data-team", "retries": 2},
    tags=["example"],
    doc_md=__doc__,
    on_failure_callback=[None],
):
    @task
    def load():
        return 1

    load()
# cure:     on_failure_callback=[None], =>
