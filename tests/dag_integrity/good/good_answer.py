"""Answers in some ways, in others none, or an exception."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, PokeReturnValue, task
from airflow.providers.standard.operators.empty import EmptyOperator

WAY = "load"


with DAG(
    dag_id="good_answer",
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
    @task.short_circuit
    def check():
        raise RuntimeError("no answer at all")

    @task.branch
    def choose():
        if pendulum.now().day == 1:
            return None
        return WAY

    @task.sensor(mode="reschedule", timeout=600)
    def there():
        return PokeReturnValue(is_done=True)

    there() >> choose() >> EmptyOperator(task_id="load")
    check() >> EmptyOperator(task_id="after")
