"""Sets that are sorted, directories too, and a counter in a helper."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG
from airflow.providers.standard.operators.bash import BashOperator
import os
import random
from good_helpers.shops import next_number, shops

WEST = {"west", "east"}
CHOICE = random.random()

with DAG(
    dag_id="good_unstable",
    description="An example",
    schedule="@daily",
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=1),
    default_args={"owner": "data-team", "retries": 2},
    tags={"one", "two"},
    doc_md=__doc__,
):
    BashOperator(task_id="say", bash_command=" ".join(sorted(WEST | set(shops()))) + " ".join(sorted(os.listdir("/usr"))))
    BashOperator(task_id=f"count_{next_number()}", bash_command="true")
