"""Default arguments, e-mail switches, outputs, callbacks, environments and configurations that are right."""

from datetime import timedelta

import pendulum
from airflow.sdk import Asset, BaseOperator, DAG, task
from airflow.providers.standard.operators.bash import BashOperator
from airflow.providers.standard.operators.python import PythonOperator


class LoadOperator(BaseOperator):
    def __init__(self, table, **kwargs):
        super().__init__(**kwargs)
        self.table = table

    def execute(self, ctx):
        print(self.table)


class Loader:
    def __call__(self, table):
        print(table)


with DAG(
    dag_id="good_task_arguments",
    description="An example",
    schedule="@daily",
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=1),
    default_args={"owner": "data-team", "retries": 2, "email_on_failure": False, "postgres_conn_id": "warehouse"},
    tags=["example"],
    doc_md=__doc__,
):
    @task(multiple_outputs=True)
    def parts() -> dict[str, str]:
        return {"north": "a", "south": "b"}

    @task
    def pushed(ti=None, dag_run=None, **context):
        ti.xcom_push(key="rows", value=1)
        print(ti.log_url, dag_run.run_after, context["dag"].dag_id, ti.get_previous_ti())
        return ti.xcom_pull(key="rows")

    @task
    def show(one, other):
        def each():
            yield one
        return [*each(), other]

    show(parts()["north"], pushed()["rows"])
    LoadOperator(task_id="load", table="orders")
    PythonOperator(task_id="call", python_callable=Loader(), op_args=("orders",))
    BashOperator(task_id="say", bash_command="echo", env={"LIMIT": "5", "DAY": "{{ ds }}"}, outlets=[Asset("said")])
