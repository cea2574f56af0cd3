"""What Airflow 2 had in the context."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task

def notify(context):
    print(context["execution_date"])  # expect: context-key

with DAG(
    dag_id="context_key",
    description="An example",
    schedule="@daily",
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=1),
    default_args={"owner": "data-team", "retries": 2},
    tags=["example"],
    doc_md=__doc__,
    on_failure_callback=notify,
):
    @task
    def load():
        return 1

    load()
# cure: "execution_date" => "logical_date"
