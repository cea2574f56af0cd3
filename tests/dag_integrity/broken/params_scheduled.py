"""The same with a schedule, which Airflow refuses."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, Param, task

with DAG(  # expect: params
    dag_id="params_scheduled",
    description="An example",
    schedule="@daily",
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=1),
    default_args={"owner": "data-team", "retries": 2},
    tags=["example"],
    doc_md=__doc__,
    params={"limit": Param(0, type="integer", minimum=1)},
):
    @task
    def load():
        return 1

    load()
# cure: Param(0, => Param(1,
