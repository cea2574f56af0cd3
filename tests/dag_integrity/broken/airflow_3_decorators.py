"""Not from airflow.sdk."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG
from airflow.decorators import task

with DAG(
    dag_id="airflow_3_decorators",
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
    @task  # expect: airflow-3
    def load():
        return 1

    load()
# cure: from airflow.sdk import DAG\nfrom airflow.decorators import task => from airflow.sdk import DAG, task
