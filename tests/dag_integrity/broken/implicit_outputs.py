"""An annotation decides whether the keys of a dict are XComs."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task

with DAG(
    dag_id="implicit_outputs",
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
    @task  # expect: implicit-outputs
    def load() -> dict[str, int]:
        return {"rows": 1}

    load()
# cure: @task => @task(multiple_outputs=True)
