"""The steps of extract. What a step returns goes through Airflow to the next one: small, JSON-ready."""

import logging
import time
from datetime import datetime

from << cookiecutter.__package >> import days, sample, service
from << cookiecutter.__package >>.datasets import raw
from << cookiecutter.__package >>.report import log_line
from << cookiecutter.__package >>.settings import Settings

log = logging.getLogger(__name__)


def plan(settings: Settings, day: str, slices: int, run_id: str) -> list[dict]:
    """The slices to fetch; from now on this run owns the day's raw partition."""
    chosen = days.slices(day, slices)
    if settings.service is None:
        sample.require(day)
    raw(settings, day).begin(run_id)
    return chosen


def fetch(settings: Settings, day: str, part: dict, run_id: str) -> dict:
    """Stream one slice to staging; the entry of its file, with `rows`."""
    started = time.monotonic()
    start, end = (datetime.fromisoformat(part[edge]) for edge in ("start", "end"))
    with raw(settings, day).staging(run_id, "raw", f"slice-{part['name']}", ".csv") as staged:
        if settings.service is None:
            rows = sample.copy(start, end, staged.sink)
        else:
            rows = service.fetch(settings.service, start, end, staged.sink)
    entry = {**staged.entry, "rows": rows}
    log_line(log, "fetched", day=day, slice=part["name"], rows=rows, bytes=entry["bytes"], started=started)
    return entry


def publish(settings: Settings, day: str, files: list[dict], run_id: str) -> dict:
    """Make the fetched slices the day's raw partition; its counts."""
    started = time.monotonic()
    facts = {"rows": sum(file["rows"] for file in files), "bytes": sum(file["bytes"] for file in files)}
    raw(settings, day).publish(run_id, files, facts)
    log_line(log, "published raw", day=day, files=len(files), **facts, started=started)
    return {"files": len(files), **facts}
