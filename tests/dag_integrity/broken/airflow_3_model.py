"""A name that Airflow 3 has moved or removed."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task
from airflow.models.dataset import DatasetModel  # expect: airflow-3

with DAG(
    dag_id="airflow_3_model",
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


DATA = DatasetModel
# cure: from airflow.models.dataset import DatasetModel => from airflow.models.asset import AssetModel as DatasetModel
