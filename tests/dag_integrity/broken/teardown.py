"""The cluster goes while it works."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG
from airflow.providers.standard.operators.bash import BashOperator

with DAG(
    dag_id="teardown",
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
    create = BashOperator(task_id="create", bash_command="cluster create")
    work = BashOperator(task_id="work", bash_command="cluster run")
    delete = BashOperator(task_id="delete", bash_command="cluster delete")  # expect: teardown
    create >> work
    create >> delete.as_teardown(setups=create)
# cure: create >> work\n => create >> work >> delete\n
