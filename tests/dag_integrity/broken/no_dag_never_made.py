"""A DAG that nobody makes."""

from datetime import timedelta

import pendulum
from airflow.sdk import dag, task


@dag(  # expect: no-dag
    dag_id="no_dag_never_made",
    description="An example",
    schedule="@daily",
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=1),
    default_args={"owner": "data-team", "retries": 2},
    tags=["example"],
    doc_md=__doc__,
)
def no_dag_never_made():
    @task
    def load():
        return 1

    load()
# cure: last load() => load()\n\n\nno_dag_never_made()
