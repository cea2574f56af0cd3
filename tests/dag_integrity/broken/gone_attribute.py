"""What a task instance had in Airflow 2."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task

with DAG(
    dag_id="gone_attribute",
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
        print(ti.execution_date)  # expect: gone-attribute

    load()
# cure: load(ti=None) => load(dag_run=None)
# cure: ti.execution_date => dag_run.logical_date
