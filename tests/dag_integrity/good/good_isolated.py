"""A function that runs elsewhere has all that it needs."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task

with DAG(
    dag_id="good_isolated",
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
    @task.virtualenv(requirements=["six==1.16.0"])
    def load(limit: int = 3):
        import json

        total = 0

        def add(number):
            nonlocal total
            total += number

        for number in range(limit):
            add(number)
        return [len(row) for row in json.loads("[]")], __name__

    load()
