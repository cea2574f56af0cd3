"""A schedule and no start."""

from datetime import timedelta

from airflow.sdk import DAG, task

with DAG(  # expect: start-date
    dag_id="start_date_missing",
    description="An example",
    schedule="@daily",
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
# cure:     catchup=False, =>     start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),\n    catchup=False,
# cure: from airflow.sdk import DAG, task => import pendulum\nfrom airflow.sdk import DAG, task
