"""An hour that one day of the year has not."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, CronTriggerTimetable, task

with DAG(  # expect: daylight-saving
    dag_id="daylight_saving",
    description="An example",
    schedule=CronTriggerTimetable("30 2 * * *", timezone="Europe/Berlin"),
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
# cure: 30 2 * * * => 30 4 * * *
