"""A library that reads a Variable when it is imported."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task
import lib_with_variable  # expect: forbidden-at-import

with DAG(
    dag_id="forbidden_variable_library",
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
        return lib_with_variable.LIMIT

    load()
# cure: import lib_with_variable =>
# cure: def load():\n => def load():\n        import lib_with_variable\n\n
