"""A function that runs elsewhere uses a name of this file."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task

LIMIT = 5


with DAG(
    dag_id="isolated",
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
    @task.virtualenv(requirements=["six==1.16.0"])
    def load():
        print(LIMIT)  # expect: isolated

    load()
# cure: print(LIMIT) => print(5)
