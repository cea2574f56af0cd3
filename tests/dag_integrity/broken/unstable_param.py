"""A param with a default that is chosen at random, of two."""

import random
from datetime import timedelta

import pendulum
from airflow.sdk import DAG
from airflow.providers.standard.operators.empty import EmptyOperator

with DAG(  # expect: unstable
    dag_id="unstable_param",
    description="An example",
    schedule="@daily",
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=1),
    default_args={"owner": "data-team", "retries": 2},
    tags=["example"],
    doc_md=__doc__,
    params={"shop": random.choice(["north", "south"])},
):
    EmptyOperator(task_id="say")
# cure: random.choice(["north", "south"]) => "north"
