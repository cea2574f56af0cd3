"""Names, places and templates are no secrets."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG
from airflow.providers.standard.operators.bash import BashOperator

TOKEN_URL = "https://example.com/token"
SECRET_NAME = "etl-secret"
DSN = "postgresql://db.example.com/etl"
PASSWORD = ""

with DAG(
    dag_id="good_secret",
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
    BashOperator(task_id="say", bash_command="true", env={"DB_PASSWORD": "{{ conn.db.password }}"})
