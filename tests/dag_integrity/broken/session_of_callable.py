"""A function that a task calls gets a session of Airflow's database."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG
from airflow.providers.standard.operators.python import PythonOperator
from airflow.utils.session import provide_session

@provide_session  # expect: session-in-task
def clean(session=None):
    return session

with DAG(
    dag_id="session_of_callable",
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
    PythonOperator(task_id="clean", python_callable=clean)
# cure: @provide_session =>
