"""It chooses by a seed of its own: each time the same."""

import random
from datetime import timedelta

import pendulum
from airflow.sdk import DAG
from airflow.providers.standard.operators.empty import EmptyOperator

random.seed(42)

with DAG(
    dag_id="good_unstable_seed",
    description="An example",
    schedule="@daily",
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=1),
    default_args={"owner": "data-team"},
    tags=["example"],
    doc_md=__doc__,
    params={"shop": random.choice(["north", "south"]), "share": random.random()},
):
    EmptyOperator(task_id="start")
