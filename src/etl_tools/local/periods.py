"""What DATE, FROM and TO mean to a DAG whose partitions are hours, days, weeks or months: the keys of its runs."""

import contextlib
from datetime import UTC, datetime, timedelta
from typing import Any

# As datasets/periods.py of a project has them.
FORMATS = {"hour": "%Y-%m-%dT%H", "day": "%Y-%m-%d", "week": "%Y-%m-%d", "month": "%Y-%m"}
LENGTHS = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(days=7)}
PARAM = "partition"  # the param that names the partition of a run; its schema says the period
NO_REBUILD = "{} fetches, and what is kept would be replaced: rebuild the DAG that transforms."


def of(dag: Any) -> str:
    """The period of the DAG's partitions."""
    param = dag.params.get_param(PARAM) if PARAM in dag.params else None
    return param.schema.get("period", "day") if param else "day"


def fetches(params: Any) -> bool:
    """Whether a DAG with these params fetches, and nothing else."""
    return "slices" in params


def begin_and_end(text: str) -> tuple[datetime, datetime]:
    """The first moment of a day, hour or month by its text, and that of the next one; ValueError."""
    for name in ("day", "hour", "month"):
        with contextlib.suppress(ValueError):
            begin = datetime.strptime(text, FORMATS[name]).replace(tzinfo=UTC)
            if begin.strftime(FORMATS[name]) == text:
                return begin, following(begin, name)
    raise ValueError(f"{text!r} is not a day: write it like 2018-02-01.")


def following(begin: datetime, name: str) -> datetime:
    if name == "month":
        return (begin + timedelta(days=31)).replace(day=1)
    return begin + LENGTHS[name]


def keys(begin: datetime, end: datetime, name: str) -> list[str]:
    """The keys of the periods of which some is between the two moments."""
    start = begin if name == "hour" else begin.replace(hour=0)
    if name == "week":
        start -= timedelta(days=start.weekday())
    if name == "month":
        start = start.replace(day=1)
    found = []
    while start < end:
        found.append(start.strftime(FORMATS[name]))
        start = following(start, name)
    return found
