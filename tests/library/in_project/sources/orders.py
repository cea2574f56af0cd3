"""### Orders: the shop's orders of a day, from its API to clean Parquet files"""

from datetime import timedelta

import pendulum
from airflow.sdk import Asset, dag
from my_etl.datasets import tasks
from my_etl.orders import ORDERS


@dag(
    schedule=tasks.every("day"),
    start_date=pendulum.datetime(2018, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=4,
    dagrun_timeout=timedelta(hours=1),
    description="The shop's orders of a day",
    default_args=tasks.defaults("Shop Team"),
    params=tasks.params(slices=4),
    doc_md=__doc__,
    tags=["shop"],
)
def orders():
    tasks.extract_then_transform(ORDERS, Asset("orders_clean"))


orders()
