"""A short circuit skips what is to run in any case."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG
from airflow.providers.standard.operators.bash import BashOperator
from airflow.providers.standard.operators.python import ShortCircuitOperator

with DAG(
    dag_id="short_circuit",
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
    check = ShortCircuitOperator(task_id="check", python_callable=lambda: False)  # expect: short-circuit
    clean_up = BashOperator(task_id="clean_up", bash_command="true", trigger_rule="all_done")
    check >> clean_up >> BashOperator(task_id="report", bash_command="true")
# cure: python_callable=lambda: False) => python_callable=lambda: False, ignore_downstream_trigger_rules=False)
