"""A task gives one value, of which another wants a part."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task

with DAG(
    dag_id="xcom_key",
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
    def fetch():
        return {"path": "orders.csv", "rows": 3}

    @task
    def load(path):
        print(path)

    load(fetch()["path"])  # expect: xcom-key
# cure: @task => @task(multiple_outputs=True)
