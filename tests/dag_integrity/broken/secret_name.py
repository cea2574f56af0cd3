"""A token by its name."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task

API_TOKEN = "abcdefgh12345678"  # expect: secret

with DAG(
    dag_id="secret_name",
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
# cure: "abcdefgh12345678" => "{{ conn.api.password }}"
