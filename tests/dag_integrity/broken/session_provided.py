"""A task asks for a session."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task
from airflow.utils.session import provide_session

with DAG(
    dag_id="session_provided",
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
    @provide_session  # expect: session-in-task
    def load(session=None):
        return 1

    load()
# cure:     @provide_session  # expect: session-in-task\n => 
