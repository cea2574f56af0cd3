"""A short circuit that says nothing skips always."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task
from airflow.providers.standard.operators.empty import EmptyOperator

with DAG(
    dag_id="answer_short_circuit",
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
    @task.short_circuit
    def check():  # expect: answer
        print("checked")

    check() >> EmptyOperator(task_id="load")
# cure: print("checked") => return bool("checked")
