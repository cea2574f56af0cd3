"""Names of secrets, of pages and of environment variables."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task


def Secret(**names):
    return names


SECRET = Secret(deploy_type="env", deploy_target="SQL_CONN", secret="airflow-secrets-2", key="sql_alchemy_conn1")
PAGE = dict(next_page_token="CAUQAA12345678", page_token="abcdefgh12345678")
NAMES = dict(api_key="ANTHROPIC_API_KEY1", password="DB_PASSWORD")
PLACEHOLDERS = {"user": "user", "password": "password"}

with DAG(
    dag_id="good_secret_names",
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
