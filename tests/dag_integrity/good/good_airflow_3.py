"""It runs in Airflow 2 and 3."""

from datetime import timedelta

import pendulum
from airflow import __version__

try:
    from airflow.sdk import DAG, Asset
except ImportError:
    from airflow.datasets import Dataset as Asset
    from airflow.models.dag import DAG
if __version__.startswith("2."):
    from airflow.decorators import task
    from airflow.timetables.datasets import DatasetOrTimeSchedule

    schedule = DatasetOrTimeSchedule(timetable=None, datasets=[])
else:
    from airflow.sdk import task

    schedule = "@daily"

with DAG(
    dag_id="good_airflow_3",
    description="An example",
    schedule=schedule,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=1),
    default_args={"owner": "data-team", "retries": 2},
    tags=["example"],
    doc_md=__doc__,
):
    @task(outlets=[Asset("both_airflows")])
    def load():
        return 1

    load()
