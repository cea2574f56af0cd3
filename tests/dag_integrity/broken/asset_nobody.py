"""It waits for what nobody makes."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, Asset, task

with DAG(  # expect: asset
    dag_id="asset_nobody",
    description="An example",
    schedule=[Asset("broken_nobody_makes_this")],
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
# cure: schedule=[Asset("broken_nobody_makes_this")] => schedule=[Asset("s3://elsewhere/orders")]
