"""It imports a library that takes long and is on no list."""  # expect: import-budget

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task
import pre_commit.main
import pytest

with DAG(
    dag_id="import_budget_library",
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

VERSIONS = pytest.__version__, pre_commit.main
