"""All findings of two rules are exempt."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task
# dag-integrity: ignore[tags, docs] an example

with DAG(
    dag_id="good_exemption_file",
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
