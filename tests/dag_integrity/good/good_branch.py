"""A branch whose ways are joined, and one that takes several."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task
from airflow.providers.standard.operators.empty import EmptyOperator

with DAG(
    dag_id="good_branch",
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
    @task.branch
    def choose():
        return "left" if pendulum.now().day == 1 else "right"

    left, right = EmptyOperator(task_id="left"), EmptyOperator(task_id="right")
    join = EmptyOperator(task_id="join", trigger_rule="none_failed_min_one_success")
    choose() >> [left, right] >> join

    @task.branch
    def choose_more():
        return ["one", "two"]

    one, two = EmptyOperator(task_id="one"), EmptyOperator(task_id="two")
    choose_more() >> [one, two] >> EmptyOperator(task_id="both")
