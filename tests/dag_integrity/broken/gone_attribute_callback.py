"""A callback asks for what Airflow 3 has not."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG
from airflow.providers.standard.operators.bash import BashOperator


def tell(context):
    print(context["task_instance"].previous_ti)  # expect: gone-attribute


with DAG(
    dag_id="gone_attribute_callback",
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
    BashOperator(task_id="load", bash_command="echo", on_failure_callback=tell)
# cure: previous_ti => get_previous_ti()
