"""Two DAGs with one dag_id in a file."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task

with DAG(  # expect: duplicate-dag-id
    dag_id="duplicate_dag_id_inside",
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

with DAG(
    dag_id="duplicate_dag_id_inside",
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
    def again():
        return 1

    again()
# cure: last dag_id="duplicate_dag_id_inside" => dag_id="duplicate_dag_id_inside_two"
