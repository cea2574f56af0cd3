"""Bodies of tasks by other names than @task; they do not run when the file is parsed."""

from datetime import timedelta

import pendulum
import airflow.sdk
import subprocess
import time
from airflow.sdk import DAG
from airflow.sdk import task as t
from datetime import datetime

with DAG(
    dag_id="good_task_bodies",
    description="An example",
    schedule="@daily",
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=1),
    default_args={"owner": "data-team", "retries": 2},
    tags=["example"],
    doc_md=__doc__,
) as dag:
    @dag.task
    def first():
        return datetime.now().isoformat()

    @airflow.sdk.task(retries=3)
    def second(value):
        return f"{value}{time.time()}"

    @t
    def third(value):
        return subprocess.run(["true", value], check=True).returncode

    third(second(first()))
