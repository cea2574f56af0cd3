"""It runs its DAG whenever it is parsed."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task

with DAG(
    dag_id="forbidden_dag_test_run",
    description="An example",
    schedule="@daily",
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=1),
    default_args={"owner": "data-team", "retries": 2},
    tags=["example"],
    doc_md=__doc__,
) as dag:
    @task
    def load():
        return 1

    load()

dag.test()  # expect: forbidden-at-import
# cure: \ndag.test() => \nif __name__ == "__main__": dag.test()
