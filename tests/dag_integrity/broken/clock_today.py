"""A default from today's date."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task
from datetime import date

with DAG(
    dag_id="clock_today",
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

TODAY = date.today()  # expect: clock-at-import
# cure: date.today() => date(2026, 1, 1)
