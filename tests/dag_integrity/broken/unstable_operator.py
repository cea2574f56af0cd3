"""An operator of the DAG folder whose command comes from a set."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG
from broken_helpers.operators import SayOperator

with DAG(  # expect: unstable
    dag_id="unstable_operator",
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
    SayOperator(task_id="say", shops=("north", "south"))
# cure: in broken_helpers/operators.py, sorted(…) around the set =>
