"""An operator's constructor leaves out that of its base, and no DAG gets the task."""

from datetime import timedelta

import pendulum
from airflow.sdk import BaseOperator, DAG
from airflow.providers.standard.operators.bash import BashOperator


class LoadOperator(BaseOperator):
    def __init__(self, table, **kwargs):  # expect: super-init
        self.table = table

    def execute(self, context):
        print(self.table)


with DAG(
    dag_id="super_init",
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
    LoadOperator(task_id="load", table="orders")
    BashOperator(task_id="check", bash_command="echo")
# cure: self.table = table => super().__init__(**kwargs)\n        self.table = table
