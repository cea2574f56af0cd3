"""A task calls another one for each row."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task

with DAG(
    dag_id="task_in_task_list",
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
    def clean(text):
        return text.strip()

    @task
    def load(rows):
        return len([clean(row) for row in rows])  # expect: task-in-task

    load([clean("a ")])
# cure: [clean(row) => [clean.function(row)
