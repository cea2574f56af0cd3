"""An arrow by way of others, and what an earlier run left."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG
from airflow.providers.standard.operators.bash import BashOperator

with DAG(
    dag_id="good_xcom_order",
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
    fetch = BashOperator(task_id="fetch", bash_command="echo abc")
    say = BashOperator(task_id="say", bash_command="echo {{ ti.xcom_pull(task_ids='fetch') }}")
    fetch >> BashOperator(task_id="wait", bash_command="true") >> say
    last = "{{ ti.xcom_pull(task_ids='say', include_prior_dates=True) }}"
    BashOperator(task_id="before", bash_command=f"echo {last}")
