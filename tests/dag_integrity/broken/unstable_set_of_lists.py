"""A set's order, by way of a function."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG
from airflow.providers.standard.operators.bash import BashOperator

SHOPS = ["north", "south"]

with DAG(  # expect: unstable
    dag_id="unstable_set_of_lists",
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
    BashOperator(task_id="say", bash_command=" ".join(set(SHOPS) | {"west"}))
# cure: set(SHOPS) | {"west"} => sorted(set(SHOPS) | {"west"})
