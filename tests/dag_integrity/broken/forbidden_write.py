"""It writes a file."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task
import tempfile
from pathlib import Path

with DAG(
    dag_id="forbidden_write",
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

Path(tempfile.gettempdir(), "dag-integrity-must-not-be-there").write_text("x")  # expect: forbidden-at-import
# cure: .write_text("x") =>
