"""### Visits: what the counters at the doors drop into a folder every night"""

from datetime import timedelta

import pendulum
from airflow.sdk import Asset, dag, task
from my_etl.daily import airflow as daily

VISITS_CLEAN = Asset("visits_clean")


@dag(
    schedule=daily.every_day(),
    start_date=pendulum.datetime(2018, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=4,
    dagrun_timeout=timedelta(hours=1),
    description="Visits of a day",
    default_args=daily.defaults("Shop Team"),
    params=daily.params(),
    doc_md=__doc__,
    tags=["shop"],
)
def visits():
    @task
    def extract():
        from my_etl.visits import VISITS

        return daily.extract(VISITS)

    @task(outlets=[VISITS_CLEAN])
    def transform(*, outlet_events=None):
        from my_etl.visits import VISITS

        return daily.transform(VISITS, outlet_events[VISITS_CLEAN])

    extract() >> transform()


visits()
