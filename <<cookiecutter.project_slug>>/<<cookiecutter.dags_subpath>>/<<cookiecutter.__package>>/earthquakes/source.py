"""Where the earthquakes come from: an FDSN event service, or the bundled sample days (sample/README.md).

ETL_SOURCE: `sample`, `usgs` (https://earthquake.usgs.gov/fdsnws/event/1/), or the URL of another service.
"""

import os
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from << cookiecutter.__package >>.datasets import client
from << cookiecutter.__package >>.datasets.settings import NoSuchDay, Permanent

USGS = "https://earthquake.usgs.gov/fdsnws/event/1/query"
ROW_LIMIT = 20_000  # per request; the service refuses more
MILLISECOND = timedelta(milliseconds=1)
SAMPLE = Path(__file__).parent / "sample"


def service(environ=os.environ) -> str | None:
    """The URL of the service to ask, or None for the sample."""
    source = environ.get("ETL_SOURCE", "sample")
    url = {"sample": None, "usgs": USGS}.get(source, source)
    if url is not None and urlsplit(url).scheme not in ("http", "https"):
        raise ValueError(f"ETL_SOURCE is {source!r}: use sample, usgs or the http(s) URL of a service.")
    return url


def days() -> list[str]:
    """The days that a run by hand is offered: the sample's, or none."""
    return [] if service() else sorted(path.stem for path in SAMPLE.glob("*.csv"))


def fetch(start: datetime, end: datetime, sink, check) -> None:
    """Write the events of [start, end), oldest first, to `sink` as one CSV, as the service sends them.

    A range with more events than the service gives at once is halved until it fits.
    """
    url = service()
    if url is None:
        return fetch_sample(start, end, sink)
    ranges = [(start, end)]
    while ranges:
        start, end = ranges.pop()
        # The service includes the end; this slice does not.
        query = {"starttime": _stamp(start), "endtime": _stamp(end - MILLISECOND)}
        mark = sink.tell()
        try:
            rows = client.download_csv(
                url,
                sink,
                {"format": "csv", "orderby": "time-asc", **query},
                check=check,
                count=partial(client.get_json, url.removesuffix("query") + "count", query),
            )
        except client.Refused as problem:
            if "exceeds search limit" not in str(problem):
                raise
            rows = ROW_LIMIT
        if rows >= ROW_LIMIT:  # that many may be all, or not
            client.rewind(sink, mark)
            middle = start + (end - start) // MILLISECOND // 2 * MILLISECOND
            if not start < middle < end:
                raise Permanent(f"{url}: {ROW_LIMIT} events or more in a single millisecond, {start}.")
            ranges += [(middle, end), (start, middle)]


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds")


def fetch_sample(start: datetime, end: datetime, sink) -> None:
    """Write the sample's events of [start, end), header first."""
    path = SAMPLE / f"{start.date()}.csv"
    if not path.exists():
        raise NoSuchDay(
            f"The bundled sample has no {start.date()}, only {', '.join(days())}. "
            "For any other day set ETL_SOURCE=usgs, the live service."
        )
    header, *lines = path.read_bytes().splitlines(keepends=True)
    sink.write(header + b"".join(line for line in lines if start <= _time(line) < end))


def _time(line: bytes) -> datetime:
    return datetime.fromisoformat(line.split(b",", 1)[0].decode().replace("Z", "+00:00"))
