"""An operator's execute() without the context."""

from datetime import timedelta

import pendulum
from airflow.sdk import BaseOperator, DAG


class LoadOperator(BaseOperator):
    def execute(self):  # expect: execute
        print("loaded")


with DAG(
    dag_id="execute",
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
    LoadOperator(task_id="load")
# cure: execute(self) => execute(self, context)
