"""A name that Airflow 3 has moved or removed."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task
from airflow.utils.dates import days_ago

with DAG(
    dag_id="airflow_3_days_ago",
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


START = days_ago(1)  # expect: airflow-3
# cure: from airflow.utils.dates import days_ago =>
# cure: days_ago(1) => pendulum.datetime(2026, 1, 1, tz="UTC")
