"""A decision on what a task will return."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task

with DAG(
    dag_id="output_in_if",
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
    def check() -> bool:
        return False

    @task
    def load():
        return 1

    if check():  # expect: output-in-if
        load()
# cure:     @task\n    def check =>     @task.short_circuit\n    def check
# cure:     if check():  # expect: output-in-if\n        load() =>     check() >> load()
