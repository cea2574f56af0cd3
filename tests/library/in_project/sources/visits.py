"""### Visits: what the counters at the doors drop into a folder every night"""

from datetime import timedelta

import pendulum
from airflow.sdk import Asset, dag
from my_etl.datasets import tasks
from my_etl.visits import VISITS


@dag(
    schedule=tasks.every("day"),
    start_date=pendulum.datetime(2018, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=4,
    dagrun_timeout=timedelta(hours=1),
    description="Visits of a day",
    default_args=tasks.defaults("Shop Team"),
    params=tasks.params(),
    doc_md=__doc__,
    tags=["shop"],
)
def visits():
    tasks.extract_then_transform(VISITS, Asset("visits_clean"))


visits()
