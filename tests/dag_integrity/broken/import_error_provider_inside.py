"""Its provider needs another one."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task
from airflow.providers.lib_old.transfers import S3ListOperator  # expect: import-error

with DAG(
    dag_id="import_error_provider_inside",
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


OPERATOR = S3ListOperator
# cure: from airflow.providers.lib_old.transfers import S3ListOperator => S3ListOperator = None
