"""An operator's constructor reads a Variable."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, BaseOperator, Variable

class LoadOperator(BaseOperator):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.bucket = Variable.get("bucket", default="lake")  # expect: forbidden-at-import

    def execute(self, context):
        return self.bucket

with DAG(
    dag_id="forbidden_constructor",
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
# cure: Variable.get("bucket", default="lake") => "lake"
