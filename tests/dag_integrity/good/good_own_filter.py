"""An operator with a Jinja filter of its own."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG
from airflow.providers.standard.operators.bash import BashOperator


class Shout(BashOperator):
    def get_template_env(self, dag=None):
        env = super().get_template_env(dag)
        env.filters["shout"] = str.upper
        return env

with DAG(
    dag_id="good_own_filter",
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
    Shout(task_id="say", bash_command="echo {{ ds | shout }}")
