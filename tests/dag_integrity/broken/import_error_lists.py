"""An arrow between two lists."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, chain
from airflow.providers.standard.operators.empty import EmptyOperator

with DAG(
    dag_id="import_error_lists",
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
    a, b, c, d = (EmptyOperator(task_id=name) for name in "abcd")
    [a, b] >> [c, d]  # expect: import-error
# cure: [a, b] >> [c, d] => chain([a, b], [c, d])
