"""It makes no partitions."""

from datetime import timedelta

import pendulum
from airflow.sdk import Asset, DAG, task

with DAG(
    dag_id="partitioned_asset_plain_producer",
    description="An example",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=1),
    default_args={"owner": "data-team", "retries": 2},
    tags=["example"],
    doc_md=__doc__,
):
    @task(outlets=[Asset("broken_whole")])
    def load():
        return 1

    load()
