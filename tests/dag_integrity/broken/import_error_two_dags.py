"""An arrow from one DAG to another."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG
from airflow.providers.standard.operators.empty import EmptyOperator

with DAG(
    dag_id="import_error_two_dags",
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
    after = EmptyOperator(task_id="after")
    before = EmptyOperator(task_id="before", dag=DAG("import_error_two_dags_other", schedule=None))
    before >> after  # expect: import-error
# cure: , dag=DAG("import_error_two_dags_other", schedule=None) =>
