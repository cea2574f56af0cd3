"""A password in a URL."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task

DSN = "postgresql://etl:hunter22@db.example.com/etl"  # expect: secret

with DAG(
    dag_id="secret_url",
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
    @task
    def load():
        return 1

    load()
# cure: "postgresql://etl:hunter22@db.example.com/etl" => "{{ conn.db.get_uri() }}"
