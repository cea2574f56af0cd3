"""It makes partitions."""

from datetime import timedelta

import pendulum
from airflow.sdk import Asset, CronPartitionTimetable, DAG, task

with DAG(
    dag_id="partitioned_asset_producer",
    description="An example",
    schedule=CronPartitionTimetable("0 0 * * *", timezone="UTC"),
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=1),
    default_args={"owner": "data-team", "retries": 2},
    tags=["example"],
    doc_md=__doc__,
):
    @task(outlets=[Asset("broken_parts")])
    def load():
        return 1

    load()
