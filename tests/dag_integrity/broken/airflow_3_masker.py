"""A name that Airflow 3 has moved or removed."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task
from airflow.utils.log.secrets_masker import mask_secret  # expect: airflow-3

with DAG(
    dag_id="airflow_3_masker",
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


MASK = mask_secret
# cure: airflow.utils.log.secrets_masker => airflow.sdk.log
