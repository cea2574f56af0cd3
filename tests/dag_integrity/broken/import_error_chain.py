"""A chain of lists that do not fit."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, chain
from airflow.providers.standard.operators.empty import EmptyOperator

with DAG(
    dag_id="import_error_chain",
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
    a, b, c, d, e = (EmptyOperator(task_id=name) for name in "abcde")
    chain([a, b, c], [d, e])  # expect: import-error
# cure: chain([a, b, c], [d, e]) => chain([a, b, c], d, e)
