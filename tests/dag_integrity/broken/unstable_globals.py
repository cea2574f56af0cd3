"""A helper module's set, found by its name."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG
from airflow.providers.standard.operators.bash import BashOperator
from broken_helpers.shops import shops

with DAG(  # expect: unstable
    dag_id="unstable_globals",
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
    BashOperator(task_id="say", bash_command=" ".join(globals()["shops"]()))
# cure: globals()["shops"]() => sorted(shops())
