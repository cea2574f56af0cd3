"""GET that tries again when that may help, and never takes a part of an answer for the whole.

Broken connections, time-outs, 429, 5xx and answers that are not what they should be are tried again, with
growing waits or those that the server asks for; what is still wrong after ATTEMPTS raises TryAgain. Any other
refusal raises Refused, with the server's words.
"""

import gzip
import io
import json
import logging
import re
import time
import zlib
from collections.abc import Callable
from types import SimpleNamespace

from .settings import Permanent

log = logging.getLogger(__name__)

ATTEMPTS = 5
FIRST_WAIT = 1.0  # seconds; each one is twice as long as the one before
MAX_WAIT = 300  # seconds, whatever Retry-After asks for
TIMEOUT = (10, 60)  # seconds to connect, and without a byte
MAX_SECONDS = 900  # for one body, however slowly it trickles
BLOCK = 2**20
GZIP = b"\x1f\x8b"  # how it starts


class TryAgain(Exception):
    """What is wrong may be gone in a moment; `wait` is what the server asked for, in seconds."""

    def __init__(self, message: str, wait: float | None = None):
        super().__init__(message)
        self.wait = wait


class Refused(Permanent):
    """The server has understood, and will not."""


def get_json(url: str, params: dict | None = None, *, headers: dict | None = None):
    """What the JSON in the answer says."""
    body = io.BytesIO()

    def once():
        _stream(url, params, {"Accept": "application/json", **(headers or {})}, body.write)
        try:
            return json.loads(body.getvalue())
        except ValueError as problem:
            raise TryAgain(f"{url}: not JSON ({problem}): {_looks_like(body.getvalue())}") from None

    return _retrying(once, body)


def download_csv(
    url: str,
    sink,
    params: dict | None = None,
    *,
    check: Callable[[bytes], object] = bytes,
    headers: dict | None = None,
    count: Callable[[], int] | None = None,
) -> int:
    """Stream a CSV to `sink`, behind what it has already, with one header in all; return its number of lines.

    check(line) raises Permanent for a wrong header, as Dataset.header does. count() says how
    many lines there should be; it is asked when nothing but the connection says where the body ends.
    """

    def once():
        body = _Csv(sink, check)
        ends = _stream(
            url, params, {"Accept": "text/csv, text/plain;q=0.9", **(headers or {})}, body.write, count
        )
        if ends is None:  # "no content": no rows
            return 0
        lines = body.end()
        if not ends and lines != (expected := count()):
            raise TryAgain(f"{url}: the body has {lines} lines instead of {expected}: it was cut off")
        return lines

    return _retrying(once, sink)


def _retrying(once: Callable, sink):
    """once(), tried again after TryAgain, with nothing of a failed attempt left in `sink`."""
    mark = sink.tell()
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return once()
        except TryAgain as problem:
            rewind(sink, mark)
            if attempt == ATTEMPTS:
                raise TryAgain(f"{problem} (tried {ATTEMPTS} times)") from problem
            wait = FIRST_WAIT * 2 ** (attempt - 1) if problem.wait is None else problem.wait
            log.warning("%s; trying again in %.1f s", problem, min(wait, MAX_WAIT))
            time.sleep(min(wait, MAX_WAIT))


def rewind(sink, mark: int) -> None:
    """Forget what was written to `sink` since sink.tell() was `mark`."""
    sink.seek(mark)
    sink.truncate()


def _stream(url, params, headers, write, count=None) -> bool | None:
    """One GET; whether the answer says where its body ends. None for the status "no content"."""
    import requests
    from urllib3.exceptions import HTTPError

    end = time.monotonic() + MAX_SECONDS
    headers = {"Accept-Encoding": "gzip", **headers}
    try:
        with requests.get(url, params=params, headers=headers, stream=True, timeout=TIMEOUT) as response:
            _check_status(response)
            if response.status_code == 204:
                return None
            raw = response.raw
            encoding = response.headers.get("Content-Encoding", "identity").lower()
            if encoding not in ("identity", "gzip", "x-gzip"):
                raise Refused(f"{response.url}: the answer is encoded as {encoding}, which nobody asked for")
            ends = "gzip" in encoding or raw.chunked or "Content-Length" in response.headers
            if not ends and count is None:
                raise TryAgain(f"{response.url}: nothing in the answer says where its body ends")
            source = SimpleNamespace(read=lambda size: raw.read1(size, decode_content=False))
            if "gzip" in encoding:
                source = gzip.GzipFile(fileobj=source)
            while block := source.read(BLOCK):
                write(block)
                if time.monotonic() > end:
                    raise TryAgain(f"{url}: the body did not end within {MAX_SECONDS} s")
            if raw.length_remaining:
                raise TryAgain(f"{url}: the body lacks {raw.length_remaining} bytes: it was cut off")
            return ends
    except requests.exceptions.SSLError as problem:
        raise Refused(f"{url}: the certificate is not accepted: {problem}") from problem
    except (requests.exceptions.TooManyRedirects, requests.exceptions.InvalidURL) as problem:
        raise Refused(f"{url}: {problem}") from problem
    except (EOFError, gzip.BadGzipFile, zlib.error) as problem:
        raise TryAgain(f"{url}: the gzip of the body is cut off or broken: {problem}") from problem
    except (requests.exceptions.RequestException, HTTPError, ConnectionError, TimeoutError) as problem:
        raise TryAgain(f"{url}: {problem}") from problem


def _check_status(response) -> None:
    status = response.status_code
    if status in (200, 204):
        return
    words = " ".join(response.raw.read(2000, decode_content=True).decode(errors="replace").split())
    message = f"{response.url}: {status} {response.reason}: {words or 'no explanation'}"
    if status == 429 or status >= 500:
        raise TryAgain(message, _retry_after(response.headers.get("Retry-After")))
    raise Refused(message)


def _retry_after(value: str | None) -> float | None:
    """Seconds; the header has seconds or a date."""
    from urllib3.exceptions import InvalidHeader
    from urllib3.util import Retry

    try:
        return None if value is None else Retry().parse_retry_after(value)
    except InvalidHeader:
        return None


def _looks_like(start: bytes) -> str:
    """What an answer is that is not the right one, in words."""
    if start[:2] == GZIP:
        return "it is gzip, though its headers do not say so"
    if start.lstrip()[:1] == b"<":
        text = re.sub(r"<[^>]*>", " ", start[:2000].decode(errors="replace"))
        return f"it is a page of HTML or XML: {' '.join(text.split())[:200]!r}"
    return f"it starts with {start[:80]!r}"


class _Csv:
    """Checks a CSV while it passes: its header, its end. Only the first header in `sink` is kept."""

    def __init__(self, sink, check):
        self._sink, self._check = sink, check
        self._head: bytes | None = b""
        self._last = b"\n"
        self._lines = 0

    def write(self, block: bytes) -> None:
        if self._head is not None:
            self._head += block
            if b"\n" not in self._head and len(self._head) < BLOCK:
                return
            header, _, block = self._head.partition(b"\n")
            self._header(header)
        if block:
            self._sink.write(block)
            self._lines += block.count(b"\n")
            self._last = block[-1:]

    def end(self) -> int:
        if self._head is not None:  # no line end so far
            self._header(self._head)
        if self._last != b"\n":
            raise TryAgain("The body ends in the middle of a line: it was cut off")
        return self._lines

    def _header(self, line: bytes) -> None:
        line = line.removeprefix(b"\xef\xbb\xbf").removesuffix(b"\r")
        try:
            if line.lstrip()[:1] in (b"", b"<", b"{") or line[:2] == GZIP:
                raise Permanent("there is no header.")
            self._check(line)
        except Permanent as problem:
            raise TryAgain(f"Not the expected CSV: {problem} {_looks_like(line)}") from None
        if end := self._sink.tell():
            self._sink.seek(0)
            first = self._sink.readline().rstrip(b"\n")
            self._sink.seek(end)
            if line != first:
                raise TryAgain("The columns changed from one answer to the next")
        else:
            self._sink.write(line + b"\n")
        self._head = None
