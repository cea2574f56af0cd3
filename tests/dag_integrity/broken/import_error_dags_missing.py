"""It names the DAG folder, and a package that is not in it."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task
from dags.nowhere.shops import shops  # expect: import-error

with DAG(
    dag_id="import_error_dags_missing",
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
        return shops

    load()
# cure: from dags.nowhere => from broken_helpers
