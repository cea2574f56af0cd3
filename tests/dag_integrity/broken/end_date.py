"""It ends before it starts."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task

with DAG(  # expect: end-date
    dag_id="end_date",
    description="An example",
    schedule="@daily",
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=1),
    default_args={"owner": "data-team", "retries": 2},
    tags=["example"],
    doc_md=__doc__,
    end_date=pendulum.datetime(2025, 1, 1, tz="UTC"),
):
    @task
    def load():
        return 1

    load()
# cure: pendulum.datetime(2025 => pendulum.datetime(2027
