"""It exempts nothing."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task

with DAG(
    dag_id="exemption_stale",
    description="An example",
    schedule="@daily",
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=1),
    default_args={"owner": "data-team", "retries": 2},
    tags=["example"],  # dag-integrity: ignore[tags] no longer so
    # expect-above: exemption
    doc_md=__doc__,
):
    @task
    def load():
        return 1

    load()
# cure:   # dag-integrity: ignore[tags] no longer so =>
