"""A pod's settings."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task
from kubernetes.client import models

with DAG(
    dag_id="good_executor_config",
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
    POD = models.V1Pod(metadata=models.V1ObjectMeta(labels={"team": "data"}))

    @task(executor_config={"pod_override": POD})
    def load():
        return 1

    load()
