"""A branch gives one of two tasks."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task
from airflow.providers.standard.operators.empty import EmptyOperator

with DAG(
    dag_id="answer_branch_if",
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
    full, part = EmptyOperator(task_id="full"), EmptyOperator(task_id="part")

    @task.branch
    def choose(ds=None):
        return full if ds.endswith("01") else "part"  # expect: answer

    choose() >> [full, part]
# cure: return full => return full.task_id
