"""What the Variable of airflow.sdk has not."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, Variable, task

with DAG(
    dag_id="gone_attribute_variable",
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
    @task
    def load():
        Variable.setdefault("limit", "3")  # expect: gone-attribute

    load()
# cure: Variable.setdefault("limit", "3") => Variable.get("limit", default="3")
