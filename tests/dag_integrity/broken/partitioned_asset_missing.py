"""A partitioned schedule on an asset without any."""

from datetime import timedelta

import pendulum
from airflow.sdk import Asset, DAG, PartitionedAssetTimetable, task

with DAG(  # expect: partitioned-asset
    dag_id="partitioned_asset_missing",
    description="An example",
    schedule=PartitionedAssetTimetable(assets=Asset("broken_whole")),
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
# cure: PartitionedAssetTimetable(assets=Asset("broken_whole")) => [Asset("broken_whole")]
