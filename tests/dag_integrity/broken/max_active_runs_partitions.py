"""Partitions without a limit."""

from datetime import timedelta

import pendulum
from airflow.sdk import CronPartitionTimetable, DAG, task

with DAG(  # expect: max-active-runs
    dag_id="max_active_runs_partitions",
    description="An example",
    schedule=CronPartitionTimetable("0 0 * * *", timezone="UTC"),
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    dagrun_timeout=timedelta(hours=1),
    default_args={"owner": "data-team", "retries": 2},
    tags=["example"],
    doc_md=__doc__,
):
    @task
    def load():
        return 1

    load()
# cure:     dagrun_timeout= =>     max_active_runs=1,\n    dagrun_timeout=
