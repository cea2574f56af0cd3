"""A trigger that the triggerer cannot import."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task
from airflow.triggers.base import BaseTrigger

class Shops(BaseTrigger):  # expect: trigger-class
    def serialize(self):
        return "shops.Shops", {}

    async def run(self):
        yield None

with DAG(
    dag_id="trigger_class",
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
# cure: class Shops(BaseTrigger): => class Shops:
