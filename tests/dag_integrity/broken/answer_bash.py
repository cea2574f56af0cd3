"""A task of bash whose function gives no command."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task

with DAG(
    dag_id="answer_bash",
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
    @task.bash
    def say():  # expect: answer
        print("echo hello")

    say()
# cure: print("echo hello") => return "echo hello"
