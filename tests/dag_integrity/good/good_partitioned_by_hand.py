"""Whoever starts the first one says which partition it makes."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, Asset, PartitionedAssetTimetable, PartitionedAtRuntime, task

ARGUMENTS = dict(
    description="An example",
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=1),
    default_args={"owner": "data-team", "retries": 2},
    tags=["example"],
    doc_md=__doc__,
)

PARTS = Asset("good_by_hand")

with DAG(dag_id="good_partitioned_by_hand", schedule=PartitionedAtRuntime(), **ARGUMENTS):
    @task(outlets=[PARTS])
    def load():
        return 1

    load()

with DAG(dag_id="good_partitioned_after", schedule=PartitionedAssetTimetable(assets=PARTS), **ARGUMENTS):
    @task
    def read():
        return 1

    read()
