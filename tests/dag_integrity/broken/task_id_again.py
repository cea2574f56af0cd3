"""A constructor that sets the task's id again."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, BaseOperator, TaskGroup

class OwnOperator(BaseOperator):
    def __init__(self, task_id, **kwargs):
        super().__init__(task_id=task_id, **kwargs)
        self.task_id = task_id  # expect: task-id-again

    def execute(self, context):
        return self.task_id

with DAG(
    dag_id="task_id_again",
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
    with TaskGroup("shops"):
        OwnOperator(task_id="load")
# cure:         self.task_id = task_id  # expect: task-id-again\n =>
