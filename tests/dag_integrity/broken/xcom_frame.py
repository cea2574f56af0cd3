"""A table for Airflow's database."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task

with DAG(
    dag_id="xcom_frame",
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
    def extract() -> "pandas.DataFrame":  # expect-above: xcom-frame
        import pandas

        return pandas.DataFrame({"a": [1, 2]})

    @task
    def load(frame):
        print(len(frame))

    load(extract())
# cure: "pandas.DataFrame" => str
# cure: return pandas.DataFrame({"a": [1, 2]}) => pandas.DataFrame({"a": [1, 2]}).to_csv("a.csv")\n        return "a.csv"
