"""A task yields."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task

with DAG(
    dag_id="xcom_generator",
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
    def rows():
        for number in range(3):
            yield number  # expect: xcom-generator

    rows()
# cure: for number in range(3): => return [
# cure:     yield number  # expect: xcom-generator => number for number in range(3)]
