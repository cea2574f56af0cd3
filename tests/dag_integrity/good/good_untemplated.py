"""It is rendered under another name, or is a text for people."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, BaseOperator

class PathOperator(BaseOperator):
    template_fields = ("place",)

    def __init__(self, path, **kwargs):
        super().__init__(**kwargs)
        self.place = path

    def execute(self, context):
        return self.place

with DAG(
    dag_id="good_untemplated",
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
    PathOperator(task_id="load", path="{{ ds }}", doc_md="The day: {{ ds }}")
