"""### Transform: from a raw day to clean earthquakes

Runs for every day that **extract** publishes, or by hand. It types the columns, rejects the rows that do not
keep to them, keeps the newest record of each event, adds columns, and replaces the day's Parquet file.
`rejected/` has every other row with file, line and reason, `set_apart/` what is no earthquake.

What was published while this DAG was paused is not made up for: run it by hand, the day as `partition`.
"""

from typing import Any

import pendulum
from airflow.sdk import Asset, PartitionedAssetTimetable, dag, task

from << cookiecutter.__package >>.datasets import tasks
from << cookiecutter.__package >>.earthquakes import source

RAW = Asset("earthquakes_raw")
CLEAN = Asset("earthquakes_clean")


@dag(
    schedule=PartitionedAssetTimetable(assets=RAW),
    start_date=pendulum.datetime(2018, 1, 1, tz="UTC"),
    catchup=False,
    is_paused_upon_creation=False,  # what extract publishes while it is paused, it never sees
    max_active_runs=4,
    dagrun_timeout=pendulum.duration(hours=4),
    description="From a raw day to clean earthquakes in Parquet",
    default_args=tasks.defaults("<< cookiecutter.owner >>"),
    deadline=tasks.deadline("transform"),
    params=tasks.params(days=source.days()),
    doc_md=__doc__,
    tags=["earthquakes"],
)
def transform():
    @task(outlets=[CLEAN], multiple_outputs=False)
    def clean(*, outlet_events: Any = None) -> dict:
        from << cookiecutter.__package >>.earthquakes.dataset import EARTHQUAKES

        return tasks.transform(EARTHQUAKES, outlet_events[CLEAN])

    clean()


transform()
