"""It connects by a library in C."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task
import psycopg2

with DAG(
    dag_id="forbidden_database",
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


try:
    psycopg2.connect("host=127.0.0.1 port=9")  # expect: forbidden-at-import
except Exception:
    pass
# cure: psycopg2.connect("host=127.0.0.1 port=9") => pass
