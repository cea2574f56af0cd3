"""A pattern, which is no asset."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, Asset, task

with DAG(  # expect: asset
    dag_id="asset_pattern",
    description="An example",
    schedule=[Asset("s3://nobody/raw/*.csv")],
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
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
# cure: s3://nobody/raw/*.csv => s3://elsewhere/raw
