"""A branch to several tasks, one of which is not there."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task
from airflow.providers.standard.operators.empty import EmptyOperator

with DAG(
    dag_id="branch_list",
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
    @task.branch  # expect: branch
    def choose():
        return ["north", "suoth"]

    choose() >> [EmptyOperator(task_id="north"), EmptyOperator(task_id="south")]
# cure: suoth => south
