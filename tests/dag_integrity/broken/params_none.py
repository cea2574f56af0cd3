"""None where it is not allowed."""

from datetime import timedelta

from airflow.sdk import DAG, Param, task

with DAG(  # expect: params
    dag_id="params_none",
    description="An example",
    schedule=None,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=1),
    default_args={"owner": "data-team", "retries": 2},
    tags=["example"],
    doc_md=__doc__,
    params={"day": Param(None, type="string", format="date")},
):
    @task
    def load():
        return 1

    load()
# cure: type="string" => type=["null", "string"]
