"""pandas by a call that no reader of imports sees."""  # expect: heavy-import

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task
import importlib

with DAG(
    dag_id="heavy_import_hidden",
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

importlib.import_module("pandas")
# cure: importlib.import_module("pandas") => importlib
