"""The output of a task, taken apart before there is one."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task

with DAG(
    dag_id="import_error_unpack",
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
    @task(multiple_outputs=True)
    def both():
        return {"x": 1, "y": 2}

    @task
    def use(x, y):
        print(x, y)

    x, y = both()  # expect: import-error
    use(x, y)
# cure: x, y = both() => result = both()
# cure:     use(x, y) =>     use(result["x"], result["y"])
