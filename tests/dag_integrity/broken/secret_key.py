"""A key by its form."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task

KEY = "AKIAIOSFODNN7EXAMPLE"  # expect: secret

with DAG(
    dag_id="secret_key",
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
# cure: "AKIAIOSFODNN7EXAMPLE" => "{{ conn.aws.login }}"
