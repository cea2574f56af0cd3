"""### Transform: from a raw day to clean earthquakes

Runs for every day that **extract** publishes, or by hand. A mapped task per raw file types the columns,
enforces the contract, keeps the newest record of each event and adds columns; the day appears as a whole, or
not at all. `clean/` and `set_apart/` hold Parquet, `rejected/` every row that breaks the contract, with its
file, line and reason.
"""

from datetime import timedelta

import pendulum
from airflow.sdk import Asset, Param, PartitionedAssetTimetable, dag, get_current_context, task

from << cookiecutter.__package >> import notify
from << cookiecutter.__package >>.settings import load

SETTINGS = load()
RAW = Asset("earthquakes_raw")
CLEAN = Asset("earthquakes_clean")


@dag(
    schedule=PartitionedAssetTimetable(assets=RAW),
    start_date=pendulum.datetime(2018, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=4,
    dagrun_timeout=timedelta(hours=4),
    description="From a raw day to clean earthquakes in Parquet",
    default_args={
        "owner": "<< cookiecutter.owner >>",
        "retries": 2,
        "retry_delay": timedelta(minutes=1),
        "on_failure_callback": notify.on_failure(SETTINGS),
    },
    deadline=notify.deadline(SETTINGS, "transform"),
    params={
        "partition": Param(
            None if SETTINGS.service else "2018-02-01",
            type=["null", "string"],
            format="date",
            description="The day (UTC) of a run without a partition key; empty: the day before the run",
        ),
    },
    doc_md=__doc__,
    tags=["earthquakes"],
)
def transform():
    @task
    def plan() -> list[dict]:
        from << cookiecutter.__package >> import transforming
        from << cookiecutter.__package >>.airflow_run import airflow_run

        with airflow_run(get_current_context()) as run:
            return transforming.plan(SETTINGS, run.day, run.id)

    @task(max_active_tis_per_dagrun=8, map_index_template="{{ slice }}", multiple_outputs=False)
    def clean(source: dict) -> dict:
        from << cookiecutter.__package >> import transforming
        from << cookiecutter.__package >>.airflow_run import airflow_run

        context = get_current_context()
        context["slice"] = source["name"].rsplit("-", 1)[0]
        with airflow_run(context) as run:
            return transforming.clean_slice(SETTINGS, run.day, source, run.id)

    @task(multiple_outputs=False)
    def check(parts: list[dict]) -> dict:
        from << cookiecutter.__package >> import transforming
        from << cookiecutter.__package >>.airflow_run import airflow_run

        with airflow_run(get_current_context()) as run:
            return transforming.check(SETTINGS, run.day, list(parts), run.id)

    @task(outlets=[CLEAN], multiple_outputs=False)
    def publish(checked: dict, *, outlet_events=None) -> dict:
        from << cookiecutter.__package >> import transforming
        from << cookiecutter.__package >>.airflow_run import airflow_run

        with airflow_run(get_current_context()) as run:
            counts = transforming.publish(SETTINGS, run.day, checked, run.id)
        outlet_events[CLEAN].extra = counts
        outlet_events[CLEAN].add_partitions(run.day)
        return counts

    publish(check(clean.expand(source=plan())))


transform()
