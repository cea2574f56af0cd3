"""A task pulls from no task of the DAG."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task

with DAG(
    dag_id="xcom_code",
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
    def load(ti=None):
        return ti.xcom_pull(task_ids="fetch")  # expect: xcom

    load()
# cure: task_ids="fetch" => task_ids="load"
