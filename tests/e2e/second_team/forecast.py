"""### The second team's DAG: its own package, connection, pool and asset."""

import pendulum
from airflow.sdk import Asset, dag, task

FORECAST = Asset("weather_forecast")


@dag(
    dag_id="weather_forecast",
    schedule=None,
    start_date=pendulum.datetime(2018, 1, 1, tz="UTC"),
    catchup=False,
    default_args={"owner": "weather", "pool": "weather"},
)
def forecast():
    @task(outlets=[FORECAST], multiple_outputs=False)
    def ask() -> dict:
        import weather
        from airflow.sdk import Connection

        return {"host": Connection.get("weather_api").host, "package": weather.__file__}

    ask()


forecast()
