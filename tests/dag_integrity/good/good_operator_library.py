"""An operator needs its class when the file is parsed, whatever that imports."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG
from good_helpers.operators import OwnOperator
from lib_with_operator import FramesOperator

with DAG(
    dag_id="good_operator_library",
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
    FramesOperator(task_id="count") >> OwnOperator(task_id="own")
