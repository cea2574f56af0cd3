"""The last task runs in any case."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG
from airflow.providers.standard.operators.bash import BashOperator

with DAG(
    dag_id="hidden_failure",
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
    load = BashOperator(task_id="load", bash_command="true")
    load >> BashOperator(task_id="clean_up", bash_command="true", trigger_rule="all_done")  # expect: hidden-failure
# cure: trigger_rule="all_done")  # expect: hidden-failure => trigger_rule="all_done").as_teardown()
