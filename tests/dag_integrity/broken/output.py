"""It prints megabytes."""  # expect: output

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task

with DAG(
    dag_id="output",
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

for _ in range(100_000):
    print("x" * 50)
# cure: range(100_000) => range(1)
