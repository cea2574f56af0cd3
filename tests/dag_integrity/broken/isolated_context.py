"""Its task runs in another environment, where there is no task instance."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task

with DAG(
    dag_id="isolated_context",
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
    @task.virtualenv(requirements=["polars==1.9.0"])
    def load(ti=None):  # expect: isolated
        return ti.task_id

    load()
# cure: (ti=None) => (run_id=None)
# cure: ti.task_id => run_id
