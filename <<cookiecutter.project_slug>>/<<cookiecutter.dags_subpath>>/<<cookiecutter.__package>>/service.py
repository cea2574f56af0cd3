"""Client of an FDSN event service: streams one time range of events as CSV, in constant memory.

https://earthquake.usgs.gov/fdsnws/event/1/ describes the service that this was written for.
"""

import csv
import email.utils
import logging
import time
from datetime import datetime, timedelta, timezone

from << cookiecutter.__package >>.contract import COLUMN_NAMES
from << cookiecutter.__package >>.errors import Permanent

log = logging.getLogger(__name__)

MILLISECOND = timedelta(milliseconds=1)
ROW_LIMIT = 20_000  # per request; the service refuses more
BLOCK = 2**20
TIMEOUT = (10, 60)  # seconds to connect, and without a byte
MAX_SECONDS = 900  # for one body, however slowly it trickles
ATTEMPTS = 5
MAX_WAIT = 300  # seconds, whatever Retry-After asks for


class TryAgain(Exception):
    """What went wrong may be gone in a moment; `wait` is what the server asked for, in seconds."""

    def __init__(self, message: str, wait: float | None = None):
        super().__init__(message)
        self.wait = wait


class TooManyRows(Exception):
    """The range has more events than one answer may hold."""


def fetch(
    url: str,
    start: datetime,
    end: datetime,
    sink,
    *,
    row_limit: int = ROW_LIMIT,
    timeout: tuple[float, float] = TIMEOUT,
    max_seconds: float = MAX_SECONDS,
    attempts: int = ATTEMPTS,
    first_wait: float = 1.0,
) -> int:
    """Write the events of [start, end), oldest first, to `sink` as one CSV with one header; return how many.

    Broken connections, time-outs, 429 and 5xx are tried again with growing waits; what is still broken after
    `attempts` raises TryAgain. Permanent, with the server's words, is raised for any other refusal.
    A range with more events than the service gives at once is halved until it fits.
    """
    import requests

    with requests.Session() as session:
        session.headers["Accept"] = "text/csv, text/plain;q=0.9"
        body = _Body(sink)
        ranges = [(start, end)]
        while ranges:
            start, end = ranges.pop()
            mark = body.mark()
            for attempt in range(1, attempts + 1):
                try:
                    _fetch_once(session, url, start, end, body, row_limit, timeout, max_seconds)
                    break
                except TooManyRows as problem:
                    body.rewind(mark)
                    middle = start + (end - start) // MILLISECOND // 2 * MILLISECOND
                    if not start < middle < end:
                        raise Permanent(f"{url}: {problem} in a single millisecond, {start}.") from None
                    ranges += [(middle, end), (start, middle)]
                    break
                except TryAgain as problem:
                    body.rewind(mark)
                    if attempt == attempts:
                        raise TryAgain(f"{problem} (tried {attempts} times)") from problem
                    wait = first_wait * 2 ** (attempt - 1) if problem.wait is None else problem.wait
                    wait = min(wait, MAX_WAIT)
                    log.warning("%s; trying again in %.1f s", problem, wait)
                    time.sleep(wait)
        body.end()
        return body.lines


def _fetch_once(session, url, start, end, body, row_limit, timeout, max_seconds) -> None:
    import requests

    query = {
        "format": "csv",
        "orderby": "time-asc",
        "starttime": _stamp(start),
        # The service includes the end; this slice does not.
        "endtime": _stamp(end - MILLISECOND),
    }
    deadline = time.monotonic() + max_seconds
    try:
        with session.get(url, params=query, stream=True, timeout=timeout) as response:
            _check_status(response)
            body.start()
            if response.status_code != 204:  # "no content": no events
                while block := response.raw.read1(BLOCK, decode_content=True):
                    body.add(block)
                    if time.monotonic() > deadline:
                        raise TryAgain(f"{url}: the body did not end within {max_seconds:.0f} s")
                body.finish(response.url, row_limit)
    except requests.exceptions.SSLError as problem:
        raise Permanent(f"{url}: the certificate is not accepted: {problem}") from problem
    except (requests.exceptions.TooManyRedirects, requests.exceptions.InvalidURL) as problem:
        raise Permanent(f"{url}: {problem}") from problem
    except (requests.exceptions.RequestException, *_broken()) as problem:
        raise TryAgain(f"{url}: {problem}") from problem


def _broken() -> tuple[type[Exception], ...]:
    from urllib3.exceptions import HTTPError

    return HTTPError, OSError


def _check_status(response) -> None:
    status = response.status_code
    if status in (200, 204):
        return
    words = " ".join(response.raw.read(2000, decode_content=True).decode(errors="replace").split())
    message = f"{response.url}: {status} {response.reason}: {words or 'no explanation'}"
    if status == 400 and "exceeds search limit" in words:
        raise TooManyRows(words)
    if status == 429 or status >= 500:
        raise TryAgain(message, _retry_after(response.headers.get("Retry-After")))
    raise Permanent(message)


def _retry_after(value: str | None) -> float | None:
    """Seconds; the header holds seconds or a date."""
    if value is None:
        return None
    if value.strip().isdigit():
        return float(value)
    try:
        then = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, (then - datetime.now(timezone.utc)).total_seconds())


def _stamp(moment: datetime) -> str:
    return moment.astimezone(timezone.utc).replace(tzinfo=None).isoformat(timespec="milliseconds")


class _Body:
    """Checks a CSV while it passes: its header, its end. Later bodies go on where the first one ended."""

    def __init__(self, sink):
        self._sink = sink
        self._header: bytes | None = None
        self.lines = 0

    def mark(self) -> tuple:
        return self._sink.mark(), self._header, self.lines

    def rewind(self, mark: tuple) -> None:
        sink_mark, self._header, self.lines = mark
        self._sink.rewind(sink_mark)

    def start(self) -> None:
        self._head: bytes | None = b""
        self._last = b"\n"
        self._lines_before = self.lines

    def add(self, block: bytes) -> None:
        if self._head is not None:
            self._head += block
            if b"\n" not in self._head and len(self._head) < BLOCK:
                return
            header, _, block = self._head.partition(b"\n")
            self._check_header(header)
            self._head = None
        if block:
            self._sink.write(block)
            self.lines += block.count(b"\n")
            self._last = block[-1:]

    def finish(self, url: str, row_limit: int) -> None:
        if self._head is not None:  # no line end so far
            self._check_header(self._head)
        if self._last != b"\n":
            raise TryAgain(f"{url}: the body ends in the middle of a line: it was cut off")
        if self.lines - self._lines_before >= row_limit:
            raise TooManyRows(f"{row_limit} events or more")

    def end(self) -> None:
        if self._header is None:  # nothing but "no content"
            self._sink.write(",".join(COLUMN_NAMES).encode() + b"\n")

    def _check_header(self, line: bytes) -> None:
        line = line.removeprefix(b"\xef\xbb\xbf").rstrip(b"\r")
        names = next(csv.reader([line.decode(errors="replace")]), [])
        missing = [name for name in COLUMN_NAMES if name not in names]
        if missing:
            raise TryAgain(
                f"Not the expected CSV: no columns {', '.join(missing)}; it begins with {line[:80]!r}"
            )
        if self._header is None:
            self._header = line
            self._sink.write(line + b"\n")
        elif line != self._header:
            raise TryAgain("The columns changed from one answer to the next")
