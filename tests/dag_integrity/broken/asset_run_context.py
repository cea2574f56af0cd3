"""The same, from the context."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, Asset, task

with DAG(
    dag_id="asset_run_context",
    description="An example",
    schedule=[Asset("s3://elsewhere/asset_run")],
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=1),
    default_args={"owner": "data-team", "retries": 2},
    tags=["example"],
    doc_md=__doc__,
):
    @task
    def report(**context):
        print(context["logical_date"])  # expect: asset-run

    report()
# cure: context["logical_date"] => context["dag_run"].run_after
