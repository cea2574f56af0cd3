"""Its module is in folders without __init__.py."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task
from good_spaces.inner.east.shops.limits import LIMIT

ARGUMENTS = dict(
    description="An example",
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=1),
    default_args={"owner": "data-team", "retries": 2},
    tags=["example"],
    doc_md=__doc__,
)

with DAG(dag_id="good_namespace_package", schedule="@daily", **ARGUMENTS):
    @task
    def load():
        return LIMIT

    load()
