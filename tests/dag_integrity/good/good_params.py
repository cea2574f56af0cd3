"""Defaults that fit, and a required one."""

from datetime import timedelta

from airflow.sdk import DAG, Param, task

with DAG(
    dag_id="good_params",
    description="An example",
    schedule=None,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=1),
    default_args={"owner": "data-team", "retries": 2},
    tags=["example"],
    doc_md=__doc__,
    params={"limit": Param(5, type="integer", minimum=1), "day": Param(None, type=["null", "string"]), "name": Param(type="string")},
):
    @task
    def load():
        return 1

    load()
