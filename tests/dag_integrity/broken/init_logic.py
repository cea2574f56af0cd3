"""A constructor that takes a template apart."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, BaseOperator

class LoadOperator(BaseOperator):
    template_fields = ("path",)

    def __init__(self, path, **kwargs):
        super().__init__(**kwargs)
        self.path = path
        self.parts = path.split("-")  # expect: init-logic

    def execute(self, context):
        return self.path

with DAG(
    dag_id="init_logic",
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
    LoadOperator(task_id="load", path="{{ ds }}")
# cure:         self.parts = path.split("-")  # expect: init-logic\n =>
