"""A task asks Airflow's own database."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task
from airflow.utils.session import create_session

with DAG(
    dag_id="session_in_task",
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
        with create_session() as session:  # expect: session-in-task
            return session

    load()
# cure: with create_session() as session: => for session in [1]:
