"""A value that cannot be serialized."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG
from airflow.providers.standard.operators.bash import BashOperator


class Odd(dict):
    def items(self):
        raise ValueError('not today')


with DAG(  # expect: serialization
    dag_id="serialization_refused",
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
    BashOperator(task_id="say", bash_command="true", env=Odd(a="b"))
# cure: env=Odd(a="b") => env=dict(a="b")
