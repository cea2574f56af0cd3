"""It computes for a long time."""  # expect: import-budget

import time
from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task

with DAG(
    dag_id="import_budget",
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


# The processor's time, so that a quick machine takes as long
END = time.process_time() + 1.5
while time.process_time() < END:
    pass
# cure: + 1.5 => + 0.0
