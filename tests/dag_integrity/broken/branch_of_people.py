"""A person may choose what is no task after it."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task
from airflow.providers.standard.operators.hitl import HITLBranchOperator

with DAG(
    dag_id="branch_of_people",
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
    def load():
        return 1

    ask = HITLBranchOperator(task_id="ask", subject="Which?", options=["load", "wait"])  # expect: branch
    ask >> load()
# cure: options=["load", "wait"] => options=["load"]
