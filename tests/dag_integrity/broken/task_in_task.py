"""One of its tasks calls another one, which does not run by that."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task

with DAG(
    dag_id="task_in_task",
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
    def tell(text):
        print(text)

    @task
    def load():
        tell("loaded")  # expect: task-in-task

    load() >> tell("done")
# cure: tell("loaded") => tell.function("loaded")
