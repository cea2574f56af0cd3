"""### In words: what is made of a day of the shop, which is made of two datasets itself"""

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


@dag(schedule=PartitionedAssetTimetable(assets=Asset("day_of_shop_clean")), **ARGUMENTS)
def in_words():
    @task(multiple_outputs=False)
    def say():
        from my_etl.datasets import read

        with tasks.errors():
            (row,) = read("day_of_shop", tasks.day_of()).to_dict("records")
        return "{visitors} visitors, {orders} orders".format(**row)

    say()


in_words()
