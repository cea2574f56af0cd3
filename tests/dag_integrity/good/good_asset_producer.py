"""It makes an asset."""

from datetime import timedelta

import pendulum
from airflow.sdk import Asset, DAG, task

with DAG(
    dag_id="good_asset_producer",
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
    @task(outlets=[Asset("good_whole")])
    def load():
        return 1

    load()
