"""A branch gives true or false."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task
from airflow.providers.standard.operators.empty import EmptyOperator

with DAG(
    dag_id="answer_branch_bool",
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
    load = EmptyOperator(task_id="load")

    @task.branch
    def choose(ds=None):
        return ds > "2026-01-01"  # expect: answer

    choose() >> load
# cure: return ds > "2026-01-01" => return "load" if ds > "2026-01-01" else None
