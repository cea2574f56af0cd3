"""A task goes through what it has not waited for."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task


async def fetch():
    return [1, 2]


with DAG(
    dag_id="await_for",
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
        for row in fetch():  # expect: await
            print(row)

    load()
# cure: row in fetch() => row in await fetch()
