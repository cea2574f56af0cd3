"""A time in what goes to another DAG as JSON."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG
from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator

with DAG(
    dag_id="value_type_conf",
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
    DAY = pendulum.datetime(2026, 1, 1)
    TriggerDagRunOperator(task_id="start", trigger_dag_id="good_retries", conf={"day": DAY})  # expect: value-type
# cure: "day": DAY => "day": DAY.isoformat()
