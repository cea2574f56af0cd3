"""No schedule, no start."""

from datetime import timedelta

from airflow.sdk import DAG, task

with DAG(
    dag_id="good_start_date",
    description="An example",
    schedule=None,
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
