"""The same asset with another URI."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, Asset, task

with DAG(  # expect: asset-name
    dag_id="asset_name_two",
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
    @task(outlets=[Asset("broken_name", "s3://here/two")])
    def load():
        return 1

    load()
# cure: s3://here/two => s3://here/one
