"""It waits for it, or for one that is external."""

from datetime import timedelta

import pendulum
from airflow.sdk import Asset, DAG, task

with DAG(
    dag_id="good_asset_consumer",
    description="An example",
    schedule=Asset("good_whole") | Asset("s3://elsewhere/orders"),
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
