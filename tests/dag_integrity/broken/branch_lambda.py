"""A branch in a lambda goes where nothing is."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.providers.standard.operators.python import BranchPythonOperator

with DAG(
    dag_id="branch_lambda",
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
    which = BranchPythonOperator(task_id="which", python_callable=lambda: "sell")  # expect: branch
    which >> EmptyOperator(task_id="buy")
# cure: lambda: "sell" => lambda: "buy"
