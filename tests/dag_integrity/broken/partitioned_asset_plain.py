"""A plain schedule on partitions never fires."""

from datetime import timedelta

import pendulum
from airflow.sdk import Asset, DAG, task

with DAG(  # expect: partitioned-asset
    dag_id="partitioned_asset_plain",
    description="An example",
    schedule=[Asset("broken_parts")],
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
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
# cure: schedule=[Asset("broken_parts")] => schedule=PartitionedAssetTimetable(assets=Asset("broken_parts"))
# cure: import Asset, => import Asset, PartitionedAssetTimetable,
