"""A template file beside this one, by its whole path."""

from datetime import timedelta

import pendulum
from pathlib import Path

from airflow.sdk import DAG
from airflow.providers.standard.operators.bash import BashOperator

with DAG(
    dag_id="template_beside",
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
    BashOperator(task_id="say", bash_command=f"{Path(__file__).parent}/say.sh")  # expect: template
# cure: f"{Path(__file__).parent}/say.sh" => f"cat {Path(__file__).parent}/say.sh "
