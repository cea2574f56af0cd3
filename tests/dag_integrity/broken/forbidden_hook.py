"""It makes a hook, which reads its connection."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task
from airflow.providers.standard.hooks.filesystem import FSHook

with DAG(
    dag_id="forbidden_hook",
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
        return 1

    load()

HOOK = FSHook()  # expect: forbidden-at-import
# cure: FSHook() => FSHook
