"""It pulls every XCom at once, which Airflow 3 refuses."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task

with DAG(
    dag_id="xcom_key_none",
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

    @task
    def show(ti=None):
        return ti.xcom_pull(task_ids="load", key=None)  # expect: xcom-own

    load() >> show()
# cure: , key=None =>
