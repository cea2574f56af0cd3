"""A start date without a timezone."""

from datetime import datetime, timedelta

from airflow.sdk import DAG, task

with DAG(  # expect: start-date
    dag_id="start_date_naive",
    description="An example",
    schedule="@daily",
    start_date=datetime(2026, 1, 1),
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
# cure: datetime(2026, 1, 1) => pendulum.datetime(2026, 1, 1, tz="UTC")
# cure: from airflow.sdk import DAG, task => import pendulum\nfrom airflow.sdk import DAG, task
