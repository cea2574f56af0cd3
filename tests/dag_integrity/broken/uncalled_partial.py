"""What partial() begins is mapped over nothing."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task
from airflow.providers.standard.operators.bash import BashOperator

with DAG(
    dag_id="uncalled_partial",
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

    load()

    BashOperator.partial(task_id="say")  # expect: uncalled-task
# cure: partial(task_id="say") => partial(task_id="say").expand(bash_command=["true"])
