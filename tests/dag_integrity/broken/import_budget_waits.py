"""It waits, if not by time.sleep."""  # expect: import-budget

from datetime import timedelta

import pendulum
import threading
from airflow.sdk import DAG, task

with DAG(
    dag_id="import_budget_waits",
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

threading.Event().wait(2)
# cure: threading.Event().wait(2) =>
