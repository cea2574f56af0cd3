"""It opens a database."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task
import sqlite3

with DAG(
    dag_id="forbidden_sqlite",
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

sqlite3.connect(":memory:")  # expect: forbidden-at-import
# cure: sqlite3.connect(":memory:") =>
