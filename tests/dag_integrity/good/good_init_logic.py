"""A constructor that makes a template of templates, and looks whether there is one."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, BaseOperator

class LoadOperator(BaseOperator):
    template_fields = ("path", "target", "options")

    def __init__(self, path, target=None, **kwargs):
        super().__init__(**kwargs)
        self.path = path.strip()
        self.target = target or f"{path}/out"
        self.options = {}
        self.options["size"] = 1
        if path is None:
            raise ValueError("Give it a path")

    def execute(self, context):
        return self.path.split("/")

with DAG(
    dag_id="good_init_logic",
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
