"""The order of a difference of keys."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG
from airflow.providers.standard.operators.bash import BashOperator

SHOPS = {"north": 1, "south": 2, "west": 3}

with DAG(  # expect: unstable
    dag_id="unstable_dict_views",
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
    BashOperator(task_id="say", bash_command=" ".join(SHOPS.keys() - {"west"}))
# cure: SHOPS.keys() - {"west"} => sorted(SHOPS.keys() - {"west"})
