"""No cron expression."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task

with DAG(  # expect: schedule
    dag_id="schedule_nonsense",
    description="An example",
    schedule="61 * * * *",
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
# cure: 61 * * * * => 0 4 * * *
