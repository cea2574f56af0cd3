"""The value of each turn, and a loop inside a task."""

from datetime import timedelta

import pendulum
from functools import partial
from airflow.sdk import DAG, dag, task
from airflow.providers.standard.operators.bash import BashOperator
from airflow.providers.standard.operators.python import PythonOperator

with DAG(
    dag_id="good_late_binding",
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
    for table in ("orders", "items"):
        PythonOperator(task_id=f"copy_{table}", python_callable=partial(print, table))

    @task
    def count():
        return [f() for shop in ("north", "south") for f in [lambda: len(shop)]]

    count()

for shop in ("north", "south"):

    @dag(
        f"good_late_binding_{shop}",
        description="An example",
        schedule="@daily",
        start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
        catchup=False,
        max_active_runs=1,
        dagrun_timeout=timedelta(hours=1),
        default_args={"owner": "data-team", "retries": 2},
        tags=["example"],
        doc_md=__doc__,
    )
    def one_of_many():
        def command():
            return f"echo {shop}"

        BashOperator(task_id=f"say_{shop}", bash_command=command())

    one_of_many()
