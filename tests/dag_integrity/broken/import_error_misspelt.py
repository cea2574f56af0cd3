"""A name that its module has not."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG
from airflow.providers.standard.operators.bash import BashOperatr  # expect: import-error

with DAG(
    dag_id="import_error_misspelt",
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
    BashOperatr(task_id="load", bash_command="echo")
# cure: import BashOperatr => import BashOperator
# cure: BashOperatr(task_id => BashOperator(task_id
