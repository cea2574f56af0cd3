"""It asks the context for what Airflow 3 has elsewhere."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG
from airflow.providers.standard.operators.python import PythonOperator

def load(**context):
    return context["conf"].get("core", "parallelism")  # expect: context-key

with DAG(
    dag_id="context_conf",
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
    PythonOperator(task_id="load", python_callable=load)
# cure: import DAG => import DAG\nfrom airflow.sdk.configuration import conf
# cure: context["conf"].get("core", "parallelism") => conf.get("core", "parallelism")
