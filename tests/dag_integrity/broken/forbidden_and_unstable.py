"""It reads a Variable, and what it makes is in a set's order: two causes."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, Variable, task

LIMIT = Variable.get("limit", default=1)  # expect: forbidden-at-import

with DAG(  # expect: unstable
    dag_id="forbidden_and_unstable",
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
    def load(shops):
        return shops

    load(" ".join({"north", "south", "west"}))
# cure: Variable.get("limit", default=1) => 1
# cure: {"north", "south", "west"} => ["north", "south", "west"]
