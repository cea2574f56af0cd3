"""The order of a glob."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG
from airflow.providers.standard.operators.bash import BashOperator
from pathlib import Path

with DAG(  # expect: unstable
    dag_id="unstable_glob",
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
    BashOperator(task_id="say", bash_command="echo " + " ".join(map(str, Path("/usr").glob("*"))))
# cure: map(str, Path("/usr").glob("*")) => sorted(map(str, Path("/usr").glob("*")))
