"""A template in an argument that is not rendered."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG
from airflow.providers.standard.operators.bash import BashOperator

with DAG(
    dag_id="untemplated_pool",
    description="An example",
    schedule="@daily",
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=1),
    default_args={"owner": "data-team", "retries": 2},
    tags=["example"],
    doc_md=__doc__,
    params={"size": "small"},
):
    BashOperator(task_id="load", bash_command="true", pool="{{ params.size }}_pool")  # expect: untemplated
# cure: "{{ params.size }}_pool" => "default_pool"
