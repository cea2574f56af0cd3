"""It asks a server."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task
import urllib.request

with DAG(
    dag_id="forbidden_network",
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

try:
    PAGE = urllib.request.urlopen("http://127.0.0.1:9/").read()  # expect: forbidden-at-import
except Exception:
    PAGE = b""
# cure: urllib.request.urlopen("http://127.0.0.1:9/").read() => urllib.request
