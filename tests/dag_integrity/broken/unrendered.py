"""A task reads a file by a template, which nobody renders."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task

with DAG(
    dag_id="unrendered",
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
    def load(ds=None):
        with open("/data/{{ ds }}.csv") as file:  # expect: unrendered
            return len(file.read())

    load()
# cure: open("/data/{{ ds }}.csv") => open(f"/data/{ds}.csv")
