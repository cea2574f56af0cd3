"""What the context gives, what a task gives, and what any function takes."""

from datetime import timedelta

import pendulum
from functools import partial
from airflow.sdk import DAG
from airflow.providers.standard.operators.python import PythonOperator

def copy(table, ds=None, *, ti=None, logical_date=None):
    print(table, ds, ti, logical_date)


def any_of_them(table, run_id, **rest):
    print(table, run_id, rest)

with DAG(
    dag_id="good_op_arguments",
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
    first = PythonOperator(task_id="first", python_callable=copy, op_args=["a"])
    second = PythonOperator(task_id="second", python_callable=any_of_them, op_kwargs={"table": "a", "other": 1})
    third = PythonOperator(task_id="third", python_callable=partial(copy, "a"))
    first >> second >> third
    PythonOperator.partial(task_id="each", python_callable=copy).expand(op_kwargs=[{"table": "a"}, {"table": "b"}])
