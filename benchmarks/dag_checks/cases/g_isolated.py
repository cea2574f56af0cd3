# source: written for this bench
# fault: none
"""All that it needs is inside."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, Asset, Param, TaskGroup, dag, task, task_group
from airflow.providers.standard.operators.bash import BashOperator
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.providers.standard.operators.python import BranchPythonOperator, PythonOperator, ShortCircuitOperator

ARGS = dict(
    description="x",
    doc_md=__doc__,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=2),
    default_args={"owner": "data-team", "retries": 2, "retry_delay": timedelta(minutes=5)},
    tags=["t"],
)

with DAG("g_isolated", schedule="@daily", **ARGS):
    @task.virtualenv(requirements=["six==1.16.0"])
    def load(limit: int = 3, text="x"):
        import json
        from datetime import datetime
        total = 0
        def add(x):
            nonlocal total
            total += x
        for number in range(limit):
            add(number)
        class Row:
            name = text
        rows = [len(row) for row in json.loads("[]")]
        if __name__ == "__main__":
            print(datetime.now(), Row, rows)
        return total
    load()
