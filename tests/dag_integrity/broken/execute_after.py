"""An operator goes on with a method that it has not."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, BaseOperator
from airflow.providers.standard.triggers.temporal import TimeDeltaTrigger

class WaitOperator(BaseOperator):
    def execute(self, context):
        self.defer(trigger=TimeDeltaTrigger(timedelta(minutes=5)), method_name="resume")  # expect: execute

    def execute_complete(self, context, event=None):
        return event

with DAG(
    dag_id="execute_after",
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
    WaitOperator(task_id="wait")
# cure: "resume" => "execute_complete"
