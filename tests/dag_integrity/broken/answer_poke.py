"""A sensor of one's own that never says yes."""

from datetime import timedelta

import pendulum
from airflow.sdk import BaseSensorOperator, DAG


class FileThere(BaseSensorOperator):
    def poke(self, context):  # expect: answer
        print("looked")


with DAG(
    dag_id="answer_poke",
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
    FileThere(task_id="wait", mode="reschedule", timeout=600)
# cure: print("looked") => return bool("looked")
