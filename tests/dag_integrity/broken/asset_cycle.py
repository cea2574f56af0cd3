"""Its own asset starts it."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, Asset, task

with DAG(  # expect: asset-cycle
    dag_id="asset_cycle",
    description="An example",
    schedule=[Asset("broken_circle")],
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=1),
    default_args={"owner": "data-team", "retries": 2},
    tags=["example"],
    doc_md=__doc__,
):
    @task(outlets=[Asset("broken_circle")])
    def load():
        return 1

    load()
# cure: schedule=[Asset("broken_circle")] => schedule=None
