"""A library whose import starts a process, and that keeps a temporary file; one of a newer Python in a task."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task
import lib_with_ldconfig

with DAG(
    dag_id="good_import_library",
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
        from compression import zstd

        return zstd

    load()


FOUND = lib_with_ldconfig.FOUND
lib_with_ldconfig.cache()
