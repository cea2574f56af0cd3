"""Params that are declared, by the DAG or the task, or asked for with care."""

from datetime import timedelta

import pendulum
from airflow.sdk import BaseSensorOperator, DAG, task


class FileThere(BaseSensorOperator):
    def poke(self, context):
        return context["run_id"] == ""


with DAG(
    dag_id="good_params_code",
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
    @task(params={"shop": "north"})
    def load(params=None, **context):
        print(context["params"]["shop"], params.get("limit"))
        if "limit" in params:
            print(params["limit"])
        params = {"other": 1}

    @task
    def handed(params):
        print(params["other"])

    handed(params={"other": 1})

    @task
    def plain():
        params = {"other": 1}
        return params["other"]

    load() >> plain()
    FileThere(task_id="wait", mode="reschedule", timeout=600)
