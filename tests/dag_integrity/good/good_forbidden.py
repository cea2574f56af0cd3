"""Everything of that kind is in tasks and templates."""

from datetime import timedelta

import pendulum
from airflow.sdk import BaseHook, DAG, Variable, task
from airflow.providers.standard.operators.bash import BashOperator



class OurHook(BaseHook):
    """One that reads its connection when it is used."""


HOOK = OurHook()

with DAG(
    dag_id="good_forbidden",
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
    @task
    def load():
        import subprocess
        import urllib.request
        from pathlib import Path

        Path("/tmp/x").write_text(Variable.get("name"))
        subprocess.run(["true"], check=True)
        return urllib.request.urlopen(BaseHook.get_connection("db").host)

    load() >> BashOperator(task_id="say", bash_command="echo {{ var.value.name }} {{ conn.db.host }}")
