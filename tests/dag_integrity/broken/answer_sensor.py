"""A sensor that never says yes."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task
from airflow.providers.standard.operators.empty import EmptyOperator

with DAG(
    dag_id="answer_sensor",
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
    @task.sensor(mode="reschedule", timeout=600)
    def there():  # expect: answer
        print("looked")

    there() >> EmptyOperator(task_id="load")
# cure: print("looked") => return bool("looked")
