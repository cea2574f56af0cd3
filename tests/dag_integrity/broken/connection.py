"""A connection that the policy does not name."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG
from airflow.providers.common.sql.operators.sql import SQLExecuteQueryOperator

with DAG(
    dag_id="connection",
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
    SQLExecuteQueryOperator(task_id="load", conn_id="warehose", sql="select 1")  # expect: connection
# cure: "warehose" => "warehouse"
