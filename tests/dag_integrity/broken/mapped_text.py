"""A task mapped over a text."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task

with DAG(
    dag_id="mapped_text",
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
    @task
    def first() -> str:
        return "abc"

    @task
    def each(letter):
        print(letter)

    each.expand(letter=first())  # expect: mapped-text
# cure: -> str => -> list
# cure: return "abc" => return ["a", "b", "c"]
