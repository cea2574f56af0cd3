"""### Extract: one UTC day of earthquakes, exactly as the service sends them

Runs every midnight (UTC) for the day that has just ended, and for any day by hand, by REST or as a backfill.
The day is cut into time slices, a mapped task each, which the executor spreads over its workers. The slices
become the day's raw partition in one step, when all of them are there; that starts **transform**.

`ETL_SOURCE` says where the events come from: `sample` (bundled days, offline), `usgs` (the live service)
or the URL of another service.
"""

from datetime import timedelta

import pendulum
from airflow.sdk import Asset, CronPartitionTimetable, Param, dag, get_current_context, task

from << cookiecutter.__package >> import notify
from << cookiecutter.__package >>.settings import load

SETTINGS = load()
RAW = Asset("earthquakes_raw")


@dag(
    # The cron must stay at midnight: a backfill's last day counts up to 00:00, and later hours would drop it.
    schedule=CronPartitionTimetable("0 0 * * *", timezone="UTC", run_offset=-1, key_format="%Y-%m-%d"),
    start_date=pendulum.datetime(2018, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=4,
    dagrun_timeout=timedelta(hours=4),
    description="One UTC day of earthquakes, as the service sends them",
    default_args={
        "owner": "<< cookiecutter.owner >>",
        "retries": 2,
        "retry_delay": timedelta(minutes=1),
        "on_failure_callback": notify.on_failure(SETTINGS),
    },
    deadline=notify.deadline(SETTINGS, "extract"),
    params={
        "partition": Param(
            None if SETTINGS.service else "2018-02-01",
            type=["null", "string"],
            format="date",
            description="The day (UTC) of a run without a partition key; empty: the day before the run",
        ),
        "slices": Param(4, type="integer", minimum=1, maximum=1440, description="Time slices per day"),
    },
    doc_md=__doc__,
    tags=["earthquakes"],
)
def extract():
    @task
    def plan() -> list[dict]:
        from << cookiecutter.__package >> import extracting
        from << cookiecutter.__package >>.airflow_run import airflow_run

        with airflow_run(get_current_context()) as run:
            return extracting.plan(SETTINGS, run.day, run.params["slices"], run.id)

    @task(max_active_tis_per_dagrun=8, map_index_template="{{ slice }}", multiple_outputs=False)
    def fetch(part: dict) -> dict:
        from << cookiecutter.__package >> import extracting
        from << cookiecutter.__package >>.airflow_run import airflow_run

        context = get_current_context()
        context["slice"] = f"{part['start'][11:16]} to {part['end'][11:16]}"
        with airflow_run(context) as run:
            return extracting.fetch(SETTINGS, run.day, part, run.id)

    @task(outlets=[RAW], multiple_outputs=False)
    def publish(files: list[dict], *, outlet_events=None) -> dict:
        from << cookiecutter.__package >> import extracting
        from << cookiecutter.__package >>.airflow_run import airflow_run

        with airflow_run(get_current_context()) as run:
            counts = extracting.publish(SETTINGS, run.day, list(files), run.id)
        outlet_events[RAW].extra = counts
        outlet_events[RAW].add_partitions(run.day)
        return counts

    publish(fetch.expand(part=plan()))


extract()
