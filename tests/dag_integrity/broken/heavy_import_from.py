"""numpy by another form of import."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task
from numpy import array  # expect: heavy-import

with DAG(
    dag_id="heavy_import_from",
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

ARRAY = array
# cure: from numpy import array => array = "in the task"
