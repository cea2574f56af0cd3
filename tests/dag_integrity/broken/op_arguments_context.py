"""An argument by place, of a name that the context has."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG
from airflow.providers.standard.operators.python import PythonOperator

def copy(ds):
    print(ds)

with DAG(
    dag_id="op_arguments_context",
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
    PythonOperator(task_id="copy", python_callable=copy, op_args=["a"])  # expect: op-arguments
# cure: copy(ds) => copy(table)
# cure:     print(ds) =>     print(table)
