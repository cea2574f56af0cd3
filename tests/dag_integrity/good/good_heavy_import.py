"""pandas where it is used."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas

with DAG(
    dag_id="good_heavy_import",
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
        import pandas as pd

        return len(pd.DataFrame())

    load()
