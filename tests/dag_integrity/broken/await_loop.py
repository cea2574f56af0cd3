"""A task starts a loop inside of its own."""

from datetime import timedelta

import pendulum
import asyncio

from airflow.sdk import DAG, task


async def fetch():
    return [1, 2]


with DAG(
    dag_id="await_loop",
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
        return asyncio.run(fetch())  # expect: await

    load()
# cure: asyncio.run(fetch()) => await fetch()
# cure: import asyncio\n =>
