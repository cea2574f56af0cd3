"""For DAG files: what the arguments of @dag need, and what tasks call. Nothing heavy is imported here.

    from << cookiecutter.__package >>.datasets import tasks

    @dag(schedule=tasks.every("day"), params=tasks.params(), default_args=tasks.defaults("me"), ...)
    def orders():
        tasks.extract_then_transform(ORDERS, Asset("orders_clean"))

What tasks call finds the day in the run: see day_of. A task of your own is put inside `with tasks.errors():`.
"""

import contextlib
import errno
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, cast

import airflow.sdk
from airflow.sdk import Asset, CronPartitionTimetable, Param, PartitionedAtRuntime, get_current_context, task

from . import steps
from .periods import CRONS, FORMATS, LENGTHS, LIKE, Period
from .settings import NoSuchDay, Permanent, load

log = logging.getLogger(__name__)
sdk: Any = airflow.sdk  # whose stub lacks deadlines and some mappers

LONGEST_RUN = timedelta(hours=2)  # from being queued to the last task's end
# Of these parts, the next shorter ones, a period is whole.
PARTS = {
    "day": ("hour", sdk.StartOfDayMapper, sdk.DayWindow),
    "week": ("day", sdk.StartOfWeekMapper, sdk.WeekWindow),
    "month": ("day", sdk.StartOfMonthMapper, sdk.MonthWindow),
}


def every(
    period: str = "day", zone: str = "UTC", days: Sequence[str] = ()
) -> CronPartitionTimetable | PartitionedAtRuntime:
    """At the end of every hour, day, week or month, for that one, which is the run's partition key.

    period, zone: those of the dataset.
    days: of a sample, for a laptop: there are no others, so that nothing runs but what is asked for.
    """
    if _of_sample(days):
        return PartitionedAtRuntime()
    calendar = str(Period(period, zone).calendar)
    # It must stay there: a backfill's last day counts up to 00:00, and later hours would drop it.
    return CronPartitionTimetable(CRONS[period], timezone=calendar, run_offset=-1, key_format=FORMATS[period])


def _of_sample(days: Sequence[str]) -> list[str]:
    return [] if "KUBERNETES_SERVICE_HOST" in os.environ else list(days)


def whole(period: str, asset: Asset) -> "airflow.sdk.PartitionedAssetTimetable":
    """Once all hours of a day, or days of a week or month, of the asset are published, for that period."""
    part, start, window = PARTS[period]
    upstream = start(input_format=FORMATS[part], output_format=FORMATS[period])
    mapper = sdk.RollupMapper(upstream_mapper=upstream, window=window())
    return sdk.PartitionedAssetTimetable(assets=asset, default_partition_mapper=mapper)


def params(
    days: Sequence[str] = (), slices: int | None = None, accept: bool = True, period: str = "day"
) -> dict[str, Param]:
    """The params of a DAG. slices: the default of `slices`, for some. period: that of the dataset.

    accept: whether it has the param `accept`, with which a person says that few rows are right; for DAGs that
        transform.
    days: of a sample, for a laptop: the form offers them, `make run` runs them, the first is the default.
    """
    days = _of_sample(days)
    text = f"The {period} of a run without a partition key, {LIKE[period]}; empty: the one before the run"
    # `make run` and `make backfill` know by `period` which keys there are.
    types: dict[str, Any] = {"type": ["null", "string"], "period": period}
    if period == "day":
        types["format"] = "date"
    found = {"partition": Param(days[0] if days else None, **types, examples=days, description=text)}
    if accept:
        text = f"Publish the {period} even with few rows (min_rows, min_share): somebody has looked at it"
        found["accept"] = Param(False, type="boolean", description=text)
    if slices:
        text = f"Time slices per {period}"
        found["slices"] = Param(slices, type="integer", minimum=1, description=text)
    return found


def defaults(owner: str) -> dict:
    """A DAG's default_args: two retries, and a mail when a task has failed for good (ETL_NOTIFY)."""
    found: dict[str, Any] = {"owner": owner, "retries": 2, "retry_delay": timedelta(minutes=1)}
    if notify := load().notify:
        from airflow.providers.smtp.notifications.smtp import SmtpNotifier

        subject, text = "{{ dag.dag_id }} {{ ti.task_id }} failed", "Run {{ run_id }}: {{ exception }}"
        found["on_failure_callback"] = [SmtpNotifier(to=notify, subject=subject, html_content=text)]
    return found


def deadline(dag_id: str):
    """A DAG's deadline: a mail when a run is not over after LONGEST_RUN; None without ETL_NOTIFY."""
    if not load().notify:
        return None
    from airflow.providers.smtp.notifications.smtp import SmtpNotifier

    text = f"It is not over after {LONGEST_RUN} hours. See its page in Airflow."
    mail = {"to": load().notify, "subject": f"A run of {dag_id} takes too long", "html_content": text}
    queued, callback = sdk.DeadlineReference.DAGRUN_QUEUED_AT, sdk.AsyncCallback(SmtpNotifier, kwargs=mail)
    return sdk.DeadlineAlert(reference=queued, interval=LONGEST_RUN, callback=callback)


def extract_then_transform(dataset, clean: Asset) -> None:
    """The two tasks of a DAG that takes a day from its source to `clean`, without mapped tasks.

    The module of the dataset is imported with the DAG file: nothing heavy at its top.
    """

    @task(task_id="extract")
    def extracting():
        return extract(dataset)

    @task(task_id="transform", outlets=[clean])
    def transforming(*, outlet_events: Any = None):
        return transform(dataset, outlet_events[clean])

    extracting() >> transforming()


@contextlib.contextmanager
def errors() -> Iterator[None]:
    """How the library's errors look to Airflow: what a retry cannot fix fails at once.

    On a laptop, a scheduled run skips a day that the source cannot have; a run by hand fails, and so does
    every run in a cluster, where green nights without data would go unnoticed.
    """
    from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

    try:
        yield
    except Permanent as problem:
        may_skip = isinstance(problem, NoSuchDay) and "KUBERNETES_SERVICE_HOST" not in os.environ
        if may_skip and get_current_context()["dag_run"].run_type != "manual":
            raise AirflowSkipException(str(problem)) from problem
        raise AirflowFailException(str(problem)) from problem
    except OSError as problem:
        if not isinstance(problem, PermissionError | NotADirectoryError) and problem.errno != errno.EROFS:
            raise
        reason = f"{load().data_root} refuses access: {problem} Who may write there?"
        raise AirflowFailException(reason) from problem


@errors()
def plan(dataset) -> list[dict]:
    """What fetch is to be mapped over: the slices of the run's days."""
    context, period = get_current_context(), dataset.periods
    day = day_of(context, period)
    if context["dag_run"].run_type == "scheduled" and steps.now() < period.bounds(day)[1]:
        schedule = f"schedule=tasks.every({period.name!r}, {dataset.zone!r})"
        raise Permanent(f"{day} is not over in {dataset.zone}: use {schedule}.")
    return steps.plan(dataset, days_of(dataset), context["params"].get("slices", 1))


@errors()
def fetch(dataset, part: dict) -> dict:
    """Fetch one slice into its raw file. Its task's map_index_template is "{{ slice }}"."""
    cut = 11 if dataset.period in ("hour", "day") else 5  # the day as well
    times = f"{part['start'][cut:16]} to {part['end'][cut:16]}"
    context = cast(dict, get_current_context())
    context["slice"] = f"{part['day']}, {times}"
    return _if_there(part["day"], steps.fetch, dataset, part) or {"day": part["day"], "file": None}


@errors()
def publish(dataset, files, event=None) -> dict[str, dict]:
    """Make what was fetched the raw days. event: outlet_events[ASSET], which gets the days as partitions."""
    return _recorded(steps.publish(dataset, list(files), load()), event)


def extract(dataset, event=None) -> dict[str, dict]:
    """plan, fetch and publish in one task, for a dataset that needs no mapped tasks.

    With the param `accept`, what was fetched is not fetched again: it is what a person has looked at.
    """
    accept = get_current_context()["params"].get("accept")
    with errors():
        if accept and steps.is_fetched(dataset, day_of(period=dataset.periods), load()):
            return {}
    return publish(dataset, [fetch(dataset, part) for part in plan(dataset)], event)


@errors()
def transform(dataset, event=None) -> dict[str, dict]:
    """Make the run's clean days from the raw ones: {day: counts}."""
    accept = bool(get_current_context()["params"].get("accept"))
    made = {day: _if_there(day, steps.transform, dataset, day, accept=accept) for day in days_of(dataset)}
    return _recorded({day: counts for day, counts in made.items() if counts}, event)


def _if_there(day: str, step, *arguments, **options):
    """What the step returns; None for a day that is only fetched again, and is not there."""
    try:
        return step(*arguments, load(), **options)
    except NoSuchDay as problem:
        if day == day_of(period=arguments[0].periods):
            raise
        log.warning("%s", problem)


def _recorded(facts: dict[str, dict], event) -> dict[str, dict]:
    if event is not None:
        event.extra = facts
        event.add_partitions(list(facts))
    return facts


def days_of(dataset, context: Mapping | None = None) -> list[str]:
    """The day that the run is for, and when it was scheduled the earlier ones that are fetched again."""
    context = context or get_current_context()
    day = day_of(context, dataset.periods)
    if context["dag_run"].run_type != "scheduled":
        return [day]
    return [day, *(dataset.periods.earlier(day, periods) for periods in dataset.refetch)]


def day_of(context: Mapping | None = None, period: Period | None = None) -> str:
    """The day that the run of this context, or of the running task, is for; period: the dataset's `periods`.

    Its partition key (schedule, backfill, asset, or given by hand), else the param `partition`, else the day
    before the run. Permanent when a param is not known, or when what was given means different days.
    """
    context, period = context or get_current_context(), period or Period()
    run, known = context["dag_run"], context["dag"].params
    if unknown := sorted(set(run.conf or {}) - set(known)):
        raise Permanent(f"There is no param {', '.join(unknown)}, only {', '.join(known)}.")
    key, asked = run.partition_key, context["params"].get("partition")
    if key and asked and (run.conf or {}).get("partition", key) != key:
        raise Permanent(f"The partition key is {key}, the param partition {asked}: give one of them.")
    day = key or asked
    chosen = run.logical_date
    if chosen and not key and run.run_type == "manual":
        # The form in the UI fills in the moment of the click, which says nothing about the day.
        near = min(timedelta(days=1), LENGTHS.get(period.name, timedelta(days=1)))
        clicked = abs(chosen - (run.start_date or run.run_after)) < near
        if not clicked and period.key(chosen) != day:
            also = f", and the param partition says {day}" if day else ""
            raise Permanent(
                f"The logical date {chosen.isoformat()} does not say for which {period.name} this is{also}: "
                f"leave it empty, and give the {period.name} as partition."
            )
    if not day:
        day = period.key(chosen or run.run_after, -1)
    period.bounds(day)
    return day
