"""Another dag_id than the file's name."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task

with DAG(  # expect: dag-id
    dag_id="orders_of_the_day",
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
# cure: dag_id="orders_of_the_day" => dag_id="dag_id_other"
