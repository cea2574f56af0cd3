"""It does not say its schedule."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task

with DAG(  # expect: schedule-unsaid
    dag_id="schedule_unsaid",
    description="An example",
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    dagrun_timeout=timedelta(hours=1),
    default_args={"owner": "data-team", "retries": 2},
    tags=["example"],
    doc_md=__doc__,
):
    @task
    def load():
        return 1

    load()
# cure:     description="An example", =>     description="An example", schedule=None,
