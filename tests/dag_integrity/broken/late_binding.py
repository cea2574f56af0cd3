"""Tasks of a loop that all use its last value."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG
from airflow.providers.standard.operators.python import PythonOperator

with DAG(
    dag_id="late_binding",
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
    for table in ("orders", "items"):
        PythonOperator(
            task_id=f"copy_{table}",
            python_callable=lambda: print(table),  # expect: late-binding
        )
# cure: lambda: => lambda table=table:
