"""A date of a schedule, which a run that an asset starts has not."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, Asset
from airflow.providers.standard.operators.bash import BashOperator

with DAG(
    dag_id="asset_run_ds",
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
    BashOperator(task_id="report", bash_command="echo {{ ds }}")  # expect: asset-run
# cure: {{ ds }} => {{ dag_run.run_after }}
