"""No doc_md."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task

with DAG(  # expect: docs
    dag_id="docs_doc_md",
    description="An example",
    schedule="@daily",
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=1),
    default_args={"owner": "data-team", "retries": 2},
    tags=["example"],
):
    @task
    def load():
        return 1

    load()
# cure:     tags=["example"], =>     tags=["example"],\n    doc_md=__doc__,
