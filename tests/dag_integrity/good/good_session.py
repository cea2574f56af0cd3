"""Only an older Airflow gets to the session."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task, __version__

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

AIRFLOW_V_3_PLUS = __version__ >= "1"

with DAG(dag_id="good_session", schedule="@daily", **ARGUMENTS):
    @task
    def load():
        if AIRFLOW_V_3_PLUS:
            return 1
        else:
            from airflow import settings

            return settings.Session()

    load()
