"""A name that Airflow 3 has moved or removed."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task
from airflow.utils.weekday import WeekDay  # expect: airflow-3

with DAG(
    dag_id="airflow_3_weekday",
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
    def load():
        return 1

    load()


DAY = WeekDay
# cure: airflow.utils.weekday => airflow.providers.standard.utils.weekday
