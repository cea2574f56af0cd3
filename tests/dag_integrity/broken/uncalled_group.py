"""Nobody calls its group of tasks."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task, task_group

with DAG(
    dag_id="uncalled_group",
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

    @task_group
    def prepare():  # expect: uncalled-task
        load()
# cure: @task_group =>
