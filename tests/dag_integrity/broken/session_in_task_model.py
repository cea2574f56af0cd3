"""A task asks a model of the database."""

from datetime import timedelta

import pendulum
from airflow.models.dagrun import DagRun
from airflow.sdk import DAG, task

with DAG(
    dag_id="session_in_task_model",
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
        print(DagRun.find(dag_id="orders"))  # expect: session-in-task

    load()
# cure: DagRun.find(dag_id="orders") => "orders"
