"""A partition is one UTC day, its key the ISO date; a day is cut into time slices."""

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone

from << cookiecutter.__package >>.errors import Permanent


def bounds(day: str) -> tuple[datetime, datetime]:
    """First instant of the UTC day and first instant of the next one."""
    try:
        start = datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=timezone.utc)
    except (TypeError, ValueError):
        start = None
    if start is None or start.date().isoformat() != day:
        raise Permanent(f"{day!r} is not a day: write it like 2018-02-01.")
    return start, start + timedelta(days=1)


def slices(day: str, count: int) -> list[dict]:
    """`count` time slices that cover the day without a gap, JSON-ready: name, start, end (end excluded)."""
    if not 1 <= count <= 1440:
        raise Permanent(f"A day can be cut into 1 to 1440 slices, not {count}.")
    start, _ = bounds(day)
    # Whole minutes, so that no event falls between two slices by rounding.
    edges = [(start + timedelta(minutes=1440 * i // count)).isoformat() for i in range(count + 1)]
    return [{"name": f"{i:04d}", "start": edges[i], "end": edges[i + 1]} for i in range(count)]


def day_of(context: Mapping) -> str:
    """The day that this run is for.

    The run's partition key (schedule, backfill, asset, or given by hand), else the `partition` param, else
    the day before the run. Airflow 3 leaves logical_date empty in runs that an asset or a REST call started.
    """
    run = context["dag_run"]
    day = getattr(run, "partition_key", None) or context["params"].get("partition")
    if not day:
        at = run.logical_date or run.run_after
        day = (at.astimezone(timezone.utc) - timedelta(days=1)).date().isoformat()
    bounds(day)
    return day
