"""Every hour, and by a day of the month on which no clock changes."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, MultipleCronTriggerTimetable, task

with DAG(
    dag_id="good_daylight_saving",
    description="An example",
    schedule=MultipleCronTriggerTimetable("30 * * * *", "30 2 15 1 *", timezone="Europe/Berlin"),
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
