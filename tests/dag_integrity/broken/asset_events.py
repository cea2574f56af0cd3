"""It asks for the event of an asset that does not start it."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task

with DAG(
    dag_id="asset_events",
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
    def load(triggering_asset_events=None):
        first = next(iter(triggering_asset_events.values()))[0]  # expect: asset-events
        print(first.extra)

    load()
# cure: first = next(iter(triggering_asset_events.values()))[0] => first = next(iter(triggering_asset_events.values()), [None])[0]
# cure: print(first.extra) => print(getattr(first, "extra", None))
