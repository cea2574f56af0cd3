"""What joins the ways of a branch is always skipped."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task
from airflow.providers.standard.operators.empty import EmptyOperator

with DAG(
    dag_id="branch_join",
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
    join = EmptyOperator(task_id="join")  # expect: branch
    choose() >> [left, right] >> join
# cure: task_id="join" => task_id="join", trigger_rule="none_failed_min_one_success"
