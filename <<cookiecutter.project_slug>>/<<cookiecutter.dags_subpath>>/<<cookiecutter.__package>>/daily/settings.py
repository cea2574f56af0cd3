"""Settings, from environment variables, read whenever Airflow parses a DAG file; and errors."""

import os
import re
import subprocess
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo


class Permanent(Exception):
    """A retry cannot fix this: somebody has to change something first."""


class NoSuchDay(Permanent):
    """The day is not there, and will not be."""


@dataclass(frozen=True)
class Settings:
    """What differs between a laptop and a cluster.

    data_root: URL of the folder that has all data (ETL_DATA_ROOT; file://, s3://, gs://, abfs://).
    max_rejected_share: above this share of rejected rows a day is not published (ETL_MAX_REJECTED_SHARE).
    notify: the address that gets a mail when something fails or takes too long, or None (ETL_NOTIFY).
    """

    data_root: str
    max_rejected_share: float
    notify: str | None


def load(environ=os.environ) -> Settings:
    """The settings of this process; ValueError says which variable is wrong and what it may be."""
    share = environ.get("ETL_MAX_REJECTED_SHARE", "0.05")
    try:
        max_rejected_share = float(share)
    except ValueError:
        raise ValueError(f"ETL_MAX_REJECTED_SHARE is {share!r}: use a number from 0 to 1.") from None
    return Settings(
        data_root=environ.get("ETL_DATA_ROOT", "<< cookiecutter.data_root >>"),
        max_rejected_share=max_rejected_share,
        notify=environ.get("ETL_NOTIFY") or None,
    )


def bounds(day: str, zone: str = "UTC") -> tuple[datetime, datetime]:
    """First instant of the day in that zone and first instant of the next one, both in UTC."""
    try:
        start = date.fromisoformat(day)
    except ValueError:
        start = None
    if start is None or start.isoformat() != day:
        raise Permanent(f"{day!r} is not a day: write it like 2018-02-01.")
    # In UTC, for Python counts hours by the clock on the wall, which skips one and has another twice.
    days = start, start + timedelta(days=1)
    midnights = (datetime.combine(one, time.min, ZoneInfo(zone)) for one in days)
    first, end = (midnight.astimezone(UTC) for midnight in midnights)
    return first, end


@cache
def commit(file: str = __file__) -> str:
    """The commit of these files, with "-dirty" where some are changed; "" where nobody knows it."""
    folder = Path(file).resolve().parent
    for name in folder.parts:  # git-sync and GitDagBundle have it as the name of a folder
        if re.fullmatch("[0-9a-f]{40}", name):
            return name
    command = ["git", "--no-optional-locks", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        done = subprocess.run(  # noqa: S603 (the same words for everybody)
            command, cwd=folder, capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return "" if done.returncode else done.stdout.strip()
