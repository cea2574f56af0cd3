"""What a task instance had in Airflow 2, by way of the context."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task

with DAG(
    dag_id="gone_attribute_context",
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
    def load(**context):
        ti = context["ti"]
        print(ti.get_dagrun().run_id)  # expect: gone-attribute
        print(context["dag_run"].external_trigger)  # expect: airflow-3

    load()
# cure: ti.get_dagrun() => context["dag_run"]
# cure: external_trigger => run_type
# cure: ti = context["ti"] => print(context["ti"].try_number)
