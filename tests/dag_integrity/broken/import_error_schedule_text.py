"""A schedule of texts, which are no assets."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG
from airflow.providers.standard.operators.empty import EmptyOperator

with DAG(  # expect: import-error
    dag_id="import_error_schedule_text",
    description="An example",
    schedule=["s3://elsewhere/orders"],
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=1),
    default_args={"owner": "data-team", "retries": 2},
    tags=["example"],
    doc_md=__doc__,
):
    EmptyOperator(task_id="load")
# cure: ["s3://elsewhere/orders"] => [Asset("s3://elsewhere/orders")]
# cure: sdk import DAG => sdk import DAG, Asset
