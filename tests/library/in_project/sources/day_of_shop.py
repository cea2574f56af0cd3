"""### Day of the shop: made of a day's orders and visits, when both are there"""

from datetime import timedelta

import pendulum
from airflow.sdk import Asset, PartitionedAssetTimetable, dag, task
from my_etl.datasets import tasks

ARGUMENTS = {
    "start_date": pendulum.datetime(2018, 1, 1, tz="UTC"),
    "catchup": False,
    "max_active_runs": 4,
    "dagrun_timeout": timedelta(hours=1),
    "default_args": tasks.defaults("Shop Team"),
    "params": tasks.params(accept=False),
}
BOTH = Asset("orders_clean") & Asset("visits_clean")
DAY = Asset("day_of_shop_clean")


@dag(schedule=PartitionedAssetTimetable(assets=BOTH), **ARGUMENTS)
def day_of_shop():
    @task(outlets=[DAY], multiple_outputs=False)
    def build(*, outlet_events=None):
        from my_etl import day_of_shop

        with tasks.errors():
            day = tasks.day_of()
            made = day_of_shop.build(day)
        outlet_events[DAY].add_partitions(day)
        return made

    build()


day_of_shop()
