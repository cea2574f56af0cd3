"""Each of its tasks gets a pair, and not the arguments of a function."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG
from airflow.providers.standard.operators.python import PythonOperator

def load(shop):
    return shop

with DAG(
    dag_id="mapped_op_kwargs",
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
    PythonOperator.partial(task_id="load", python_callable=load).expand(op_kwargs={"shop": ["a"]})  # expect: mapped-text
# cure: {"shop": ["a"]} => [{"shop": "a"}]
