"""It asks whether there is a date."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, Asset
from airflow.providers.standard.operators.bash import BashOperator

with DAG(
    dag_id="good_asset_run",
    description="An example",
    schedule=[Asset("s3://elsewhere/asset_run")],
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=1),
    default_args={"owner": "data-team", "retries": 2},
    tags=["example"],
    doc_md=__doc__,
    params={"ds": "a"},
):
    BashOperator(task_id="report", bash_command="echo {{ ds | default(dag_run.run_after | ds) }} ds={{ params.ds }}")
