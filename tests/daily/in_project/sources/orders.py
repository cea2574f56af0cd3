"""### Orders: the shop's orders of a day, from its API to clean Parquet files"""

from datetime import timedelta

import pendulum
from airflow.sdk import Asset, dag, task
from my_etl.daily import airflow as daily

ORDERS_CLEAN = Asset("orders_clean")


@dag(
    schedule=daily.every_day(),
    start_date=pendulum.datetime(2018, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=4,
    dagrun_timeout=timedelta(hours=1),
    description="The shop's orders of a day",
    default_args=daily.defaults("Shop Team"),
    params=daily.params(slices=4),
    doc_md=__doc__,
    tags=["shop"],
)
def orders():
    @task
    def extract():
        from my_etl.orders import ORDERS

        return daily.extract(ORDERS)

    @task(outlets=[ORDERS_CLEAN])
    def transform(*, outlet_events=None):
        from my_etl.orders import ORDERS

        return daily.transform(ORDERS, outlet_events[ORDERS_CLEAN])

    extract() >> transform()


orders()
