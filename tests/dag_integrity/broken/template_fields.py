"""A name that is no attribute."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, BaseOperator

class LoadOperator(BaseOperator):
    template_fields = ("pth",)

    def __init__(self, path, **kwargs):
        super().__init__(**kwargs)
        self.path = path

    def execute(self, context):
        return self.path

with DAG(
    dag_id="template_fields",
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
    LoadOperator(task_id="load", path="{{ ds }}")  # expect: template-fields
# cure: "pth" => "path"
