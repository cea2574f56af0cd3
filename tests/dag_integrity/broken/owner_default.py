"""Nobody owns it."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task

with DAG(  # expect: owner
    dag_id="owner_default",
    description="An example",
    schedule="@daily",
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=1),
    default_args={"retries": 2},
    tags=["example"],
    doc_md=__doc__,
):
    @task
    def load():
        return 1

    load()
# cure: {"retries": 2} => {"owner": "data-team", "retries": 2}
