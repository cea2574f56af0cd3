"""It reads a Variable and hides the failure."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, Variable, task

with DAG(
    dag_id="forbidden_variable_swallowed",
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
        return 1

    load()

try:
    LIMIT = Variable.get("limit")  # expect: forbidden-at-import
except Exception:
    LIMIT = 1
# cure: Variable.get("limit") => "{{ var.value.limit }}"
