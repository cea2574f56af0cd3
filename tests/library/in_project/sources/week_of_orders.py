"""### Week of orders: made of seven days, once all of them are there"""

from datetime import timedelta

import pendulum
from airflow.sdk import Asset, dag, task
from my_etl.datasets import Period, read, tasks


@dag(
    schedule=tasks.whole("week", Asset("orders_clean")),
    start_date=pendulum.datetime(2018, 1, 1, tz="UTC"),
    catchup=False,
    dagrun_timeout=timedelta(hours=1),
    default_args=tasks.defaults("Shop Team"),
    params=tasks.params(accept=False, period="week"),
)
def week_of_orders():
    @task
    def count():
        with tasks.errors():
            week = tasks.day_of(period=Period("week"))
            last = Period("day").key(Period("week").bounds(week)[1], -1)
            return len(read("orders", week, last))

    count()


week_of_orders()
