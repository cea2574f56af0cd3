"""A task returns an object of a class of its own."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task


class Order:
    number = 1


with DAG(
    dag_id="xcom_plain",
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
        return Order()  # expect: xcom-generator

    load()
# cure: return Order() => return Order().number
