"""An outlet that nobody hears of."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG
from airflow.providers.standard.operators.bash import BashOperator

with DAG(
    dag_id="outlets",
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
    BashOperator(task_id="load", bash_command="echo", outlets=["s3://bucket/orders"])  # expect: outlets
# cure: ["s3://bucket/orders"] => [Asset("s3://bucket/orders")]
# cure: sdk import DAG => sdk import DAG, Asset
