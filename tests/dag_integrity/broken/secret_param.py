"""A secret in the default of a param."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, Param, task

with DAG(
    dag_id="secret_param",
    description="An example",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=1),
    default_args={"owner": "data-team", "retries": 2},
    tags=["example"],
    doc_md=__doc__,
    params={"api_token": Param("ab12cd34ef56gh78", type="string")},  # expect: secret
):
    @task
    def load():
        return 1

    load()
# cure: "ab12cd34ef56gh78" => None
# cure: type="string" => type=["null", "string"]
