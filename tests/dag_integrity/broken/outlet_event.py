"""A task tells of an asset that it has not as an outlet."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, Asset, task

ORDERS, SHOPS = Asset("outlet_event_orders"), Asset("outlet_event_shops")

with DAG(
    dag_id="outlet_event",
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
    @task(outlets=[ORDERS])
    def load(*, outlet_events):
        outlet_events[SHOPS].extra = {"rows": 1}  # expect: outlet-event

    load()
# cure: outlets=[ORDERS] => outlets=[ORDERS, SHOPS]
