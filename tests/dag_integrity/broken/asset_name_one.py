"""An asset with one URI."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, Asset, task

with DAG(
    dag_id="asset_name_one",
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
    @task(outlets=[Asset("broken_name", "s3://here/one")])
    def load():
        return 1

    load()
