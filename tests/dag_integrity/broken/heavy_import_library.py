"""A library brings polars, and is named among others."""

from datetime import timedelta

import pendulum
import lib_with_frames  # expect: heavy-import
from airflow.sdk import DAG, task
import zipapp
import lib_with_ldconfig

with DAG(
    dag_id="heavy_import_library",
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
        return lib_with_frames, lib_with_ldconfig, zipapp

    load()
# cure: import lib_with_frames  # expect: heavy-import\n =>
# cure: lib_with_frames,  =>
