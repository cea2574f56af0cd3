"""### Extract: one UTC day of earthquakes, exactly as the service sends them

Runs every midnight (UTC) for the day that has just ended and, for late and revised events, for the day a week
before (`refetch`); for any day by hand, by REST or as a backfill. A day is cut into time slices, a
mapped task each. When all are there, the raw day is published, which starts **transform**.
"""

from typing import Any

import pendulum
from airflow.sdk import Asset, dag, task

from << cookiecutter.__package >>.datasets import tasks
from << cookiecutter.__package >>.earthquakes import source

RAW = Asset("earthquakes_raw")


@dag(
    schedule=tasks.every("day", days=source.days()),
    start_date=pendulum.datetime(2018, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=4,
    dagrun_timeout=pendulum.duration(hours=4),
    description="One UTC day of earthquakes, as the service sends them",
    default_args=tasks.defaults("<< cookiecutter.owner >>"),
    deadline=tasks.deadline("extract"),
    params=tasks.params(days=source.days(), slices=4, accept=False),
    doc_md=__doc__,
    tags=["earthquakes"],
)
def extract():
    @task
    def plan() -> list[dict]:
        from << cookiecutter.__package >>.earthquakes.dataset import EARTHQUAKES

        return tasks.plan(EARTHQUAKES)

    @task(max_active_tis_per_dagrun=8, map_index_template="{{ slice }}", multiple_outputs=False)
    def fetch(part: dict) -> dict:
        from << cookiecutter.__package >>.earthquakes.dataset import EARTHQUAKES

        return tasks.fetch(EARTHQUAKES, part)

    @task(outlets=[RAW], multiple_outputs=False)
    def publish(files, *, outlet_events: Any = None) -> dict:
        from << cookiecutter.__package >>.earthquakes.dataset import EARTHQUAKES

        return tasks.publish(EARTHQUAKES, files, outlet_events[RAW])

    publish(fetch.expand(part=plan()))


extract()
