"""It reads a file from the working directory, which is another in a pod."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task

ROWS = open("dags/broken/import_error_name.py").read()  # expect: import-error

with DAG(
    dag_id="import_error_working_directory",
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
# cure: open("dags/broken/import_error_name.py").read() => __import__("pathlib").Path(__file__).read_text()
