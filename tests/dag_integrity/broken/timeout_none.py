"""It may run forever."""

import pendulum
from airflow.sdk import DAG, task

with DAG(  # expect: timeout
    dag_id="timeout_none",
    description="An example",
    schedule="@daily",
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    default_args={"owner": "data-team", "retries": 2},
    tags=["example"],
    doc_md=__doc__,
):
    @task
    def load():
        return 1

    load()
# cure:     default_args= =>     dagrun_timeout=timedelta(hours=1),\n    default_args=
# cure: from airflow.sdk import DAG, task => from datetime import timedelta\nfrom airflow.sdk import DAG, task
