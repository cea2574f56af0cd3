"""A task does not wait for what it fetches."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task


async def fetch():
    return [1, 2]


with DAG(
    dag_id="await",
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
    async def load():
        rows = fetch()  # expect: await
        return rows

    load()
# cure: rows = fetch() => rows = await fetch()
