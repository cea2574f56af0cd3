"""### The second team's DAG that waits for its asset."""

import pendulum
from airflow.sdk import Asset, dag, task


@dag(
    dag_id="weather_report",
    schedule=[Asset("weather_forecast")],
    start_date=pendulum.datetime(2018, 1, 1, tz="UTC"),
    catchup=False,
    default_args={"owner": "weather", "pool": "weather"},
)
def report():
    @task
    def write() -> str:
        return "written"

    write()


report()
