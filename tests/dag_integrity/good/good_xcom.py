"""A table that stays in the task, a list that is mapped over."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task

with DAG(
    dag_id="good_xcom",
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
    def extract() -> list[str]:
        import pandas

        def read():
            return pandas.DataFrame({"a": [1, 2]})

        return [str(len(read()))]

    @task
    def load(rows: str, factor: int):
        print(rows, factor)

    load.partial(factor=1).expand(rows=extract())
