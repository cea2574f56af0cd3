"""No tags."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task

with DAG(  # expect: tags
    dag_id="tags_none",
    description="An example",
    schedule="@daily",
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=1),
    default_args={"owner": "data-team", "retries": 2},
    doc_md=__doc__,
):
    @task
    def load():
        return 1

    load()
# cure:     doc_md=__doc__, =>     tags=["etl"],\n    doc_md=__doc__,
