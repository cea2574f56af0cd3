"""Requests that are tried again when that may help, and never take a part of an answer for the whole.

Broken connections, time-outs, 202, 408, 425, 429, 5xx, 403 with Retry-After, and answers that are not what
they should be are tried again, with growing waits or those that the server asks for; what is still wrong
after ATTEMPTS raises TryAgain. Any other refusal raises Refused, with the server's words.

Whatever asks takes these, too: headers, auth (("user", "password") or ClientCredentials), and body, which is
sent as JSON by POST.

Keys are in no error and in no log, whether they are in the URL, its parameters, headers, auth or body.
Headers of one's own stay behind when the server sends on to another host.
"""

import contextlib
import gzip
import io
import json
import logging
import re
import time
import zlib
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, cast
from urllib.parse import parse_qsl, quote, quote_plus, unquote, urljoin, urlsplit

from .settings import Permanent

log = logging.getLogger(__name__)

ATTEMPTS = 5
FIRST_WAIT = 1.0  # seconds; each one is twice as long as the one before
MAX_WAIT = 300  # seconds, whatever Retry-After asks for
TIMEOUT = (10, 60)  # seconds to connect, and without a byte
MAX_SECONDS = 900  # for one body, however slowly it trickles
BLOCK = 2**20
PASSING = (202, 408, 425, 429)  # not yet, too slow, too early, too often
GZIP = b"\x1f\x8b"  # how it starts
# What another host may get as well.
HARMLESS = {"accept", "accept-encoding", "accept-language", "user-agent"}
SECRET = re.compile("key|token|secret|pass|pwd|sig|auth|cred|cookie", re.IGNORECASE)
# Of what follows the "?", days, times and short numbers help to find the fault; anything else may be a key.
SHOWN = re.compile(r"\d{4}-\d\d-\d\d([T ][\d:.]*(Z|[+-][\d:]+)?)?|-?\d{1,5}(\.\d+)?")
IN_URL = re.compile(r"([?&;][^=&\s]+=)([^&\s'\")>]*[^&\s'\")>:,.;])")
LOGIN_IN_URL = re.compile(r"(?<=://)[^/@\s]+(?=@)")
ENDLESS = "nothing in the answer says where its body ends"


class TryAgain(Exception):
    """What is wrong may be gone in a moment; `wait` is what the server asked for, in seconds."""

    wait: float | None = None


class Refused(Permanent):
    """The server has understood, and will not."""


def get_json(url: str, params: dict | None = None, **options):
    """What the JSON in the answer says. options: headers, auth, body."""
    return _get_json(url, params, **options)[0]


def _get_json(url: str, params: dict | None = None, headers: dict | None = None, **options) -> tuple:
    """What the JSON in the answer says, and the links in its headers, by their relation."""

    def once():
        accepted = {"Accept": "application/json", **(headers or {})}
        with _answer(url, params, accepted, **options) as (response, body, ends):
            if not ends:
                raise TryAgain(f"{url}: {ENDLESS}")
            text = body.read()
        try:
            return json.loads(text), {name: link["url"] for name, link in response.links.items()}
        except ValueError as problem:
            raise TryAgain(f"{url}: not JSON ({problem}): {_looks_like(text)}") from None

    return _retrying(once, io.BytesIO(), _secrets(url, params, headers, **options))


def pages(
    url: str,
    params: dict | None = None,
    *,
    rows: str = "",
    next: str = "",
    into: str = "",
    page: str = "",
    **options,
) -> Iterator:
    """The rows of an API that answers in JSON, page after page.

    rows: where they are in an answer, like "data.items"; "" when it is the list itself.
    next: where an answer says what comes next, like "links.next": an address, whole or relative; or with
        `into` a cursor, which goes into that parameter. The last page has none.
    page: the parameter for the number of the page, which begins as in params, or with 1. The last page is
        empty.
    Without these, the header `Link: <...>; rel="next"` says it. options: headers, auth, body.

    Permanent when an answer has no such rows, a page comes twice, or the next one is on another host.
    """
    asked, before, host = set(), None, urlsplit(url).netloc
    options["params"], asked_by = params, "params" if options.get("body") is None else "body"
    query = options[asked_by] = dict(options[asked_by] or {})
    with _session() as session, _hiding(_secrets(url, **options)):
        while url:
            if page:
                query.setdefault(page, 1)
            request = f"{url} {json.dumps(query, default=str, sort_keys=True)}"
            answer, links = _get_json(url, session=session, **options)
            found = _rows(url, answer, rows)
            if request in asked or (found and found == before):
                raise Permanent(f"{url}: the same page comes again, which would have no end: {request[:300]}")
            asked.add(request)
            before = found
            yield from found
            follow = (found and query[page] + 1) if page else _at(answer, next) if next else links.get("next")
            if not follow:
                return
            if page or into:
                query[page or into] = follow
            else:
                url, query, options["params"] = urljoin(url, cast(str, follow)), {}, None
            if urlsplit(url).netloc != host:
                raise Permanent(f"{url} is not on {host}, whose pages were asked for.")


def _rows(url: str, answer, path: str) -> list:
    if not isinstance(found := _at(answer, path), list):
        raise Permanent(f"{url}: there are no rows at {path!r}: {json.dumps(answer)[:200]}")
    return found


def _at(answer, path: str):
    """What is at a path like data.items in an answer; None where there is nothing."""
    for name in filter(None, path.split(".")):
        answer = answer.get(name) if isinstance(answer, dict) else None
    return answer


class ClientCredentials:
    """OAuth 2 for machines, as `auth`: a token for a client's id and secret, and a new one before it ends.

    more: other fields of the request for it, like scope="read".
    """

    def __init__(self, url: str, client: str, secret: str, **more: str):
        self._url, self._client = url, (client, secret)
        self._form = {"grant_type": "client_credentials", **more}
        self._token, self._ends = "", 0.0

    def __call__(self, request):
        if time.monotonic() >= self._ends:
            answer, _ = _get_json(self._url, auth=self._client, form=self._form)
            if not (token := _at(answer, "access_token")):
                raise Refused(f"{self._url}: the answer has no access_token")
            self._token, self._ends = token, time.monotonic() + float(answer.get("expires_in", 300)) - 30
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def download_csv(
    url: str,
    sink: BinaryIO,
    params: dict | None = None,
    *,
    check: Callable[[bytes], object] = bytes,
    headers: dict | None = None,
    count: Callable[[], int] | None = None,
    **options,
) -> int:
    """Stream a CSV to `sink`, behind what it has already, with one header in all; return its number of lines.

    check(line) raises Permanent for a wrong header, as Dataset.header does. count() says how
    many lines there should be; it is asked when nothing but the connection says where the body ends.
    """

    def once():
        accepted = {"Accept": "text/csv, text/plain;q=0.9", **(headers or {})}
        with _answer(url, params, accepted, **options) as (response, body, ends):
            if response.status_code == 204:  # "no content": no rows
                return 0
            if not ends and count is None:
                raise TryAgain(f"{url}: {ENDLESS}")
            _copy_header(body, sink, check)
            lines, last = 0, b"\n"
            while block := body.read(BLOCK):
                sink.write(block)
                lines, last = lines + block.count(b"\n"), block[-1:]
        if last != b"\n" and "Content-Length" in response.headers:
            lines += sink.write(b"\n")  # the last line may lack its end
        elif last != b"\n":
            raise TryAgain(f"{url}: the body ends in the middle of a line: it was cut off")
        if not ends and count and lines != (expected := count()):
            raise TryAgain(f"{url}: the body has {lines} lines instead of {expected}: it was cut off")
        return lines

    return _retrying(once, sink, _secrets(url, params, headers, **options))


def rewind(sink: BinaryIO, mark: int) -> None:
    """Forget what was written to `sink` since sink.tell() was `mark`."""
    sink.seek(mark)
    sink.truncate()


def _secrets(url: str, params=None, headers=None, auth=None, body=None, form=None, **_) -> list[str]:
    """The values that may be keys, as they are and as a URL has them; the longest first."""
    pairs = [*parse_qsl(urlsplit(url).query), *(headers or {}).items()]
    pairs += [("password", one) for one in auth] if isinstance(auth, tuple) else []
    pairs += [pair for sent in (body, form) if isinstance(sent, dict) for pair in sent.items()]
    for name, value in (params or {}).items():
        pairs += [(name, one) for one in (value if isinstance(value, list | tuple) else [value])]
    found: set[str] = set()
    for name, value in pairs:
        text = value.decode(errors="replace") if isinstance(value, bytes) else str(value)
        surely = SECRET.search(str(name))
        for part in {text.strip(), *text.split()} if str(name).lower() not in HARMLESS else ():
            if len(part) >= 4 and (surely or (len(part) >= 8 and not SHOWN.fullmatch(part))):
                found.add(part)
    forms = {form for one in found for form in (one, quote(one), quote_plus(one))}
    return sorted(forms, key=len, reverse=True)


def _without(secrets: list[str], text: str) -> str:
    """The text without them, nor what any URL in it may have of the kind."""
    text = IN_URL.sub(_if_harmless, LOGIN_IN_URL.sub("…", text))
    for secret in secrets:
        text = text.replace(secret, "…")
    return text


def _if_harmless(found: re.Match) -> str:
    return found[0] if SHOWN.fullmatch(unquote(found[2])) and not SECRET.search(found[1]) else f"{found[1]}…"


@contextlib.contextmanager
def _hiding(secrets: list[str]) -> Iterator[None]:
    """Errors are without them, and without what they come from, which has them."""
    try:
        yield
    except (Permanent, TryAgain) as problem:
        problem.args = (_without(secrets, str(problem)),)
        raise problem from None


def _retrying(once: Callable, sink: BinaryIO, secrets: list[str]) -> Any:
    """once(), tried again after TryAgain, with nothing of a failed attempt left in `sink`."""
    mark = sink.tell()
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with _hiding(secrets):
                return once()
        except TryAgain as problem:
            rewind(sink, mark)
            if attempt == ATTEMPTS:
                raise TryAgain(f"{problem} (tried {ATTEMPTS} times)") from None
            wait = FIRST_WAIT * 2 ** (attempt - 1) if problem.wait is None else problem.wait
            log.warning("%s; trying again in %.1f s", problem, min(wait, MAX_WAIT))
            time.sleep(min(wait, MAX_WAIT))


def _session() -> Any:
    """One that leaves behind what may be a key when it is sent on to another host."""
    import requests

    class Session(requests.Session):
        def rebuild_auth(self, prepared_request, response) -> None:
            if self.should_strip_auth(str(response.request.url), str(prepared_request.url)):
                for name in {name for name in prepared_request.headers if name.lower() not in HARMLESS}:
                    del prepared_request.headers[name]
            super().rebuild_auth(prepared_request, response)

    return Session()


@contextlib.contextmanager
def _answer(url: str, params, headers, auth=None, body=None, form=None, session=None) -> Iterator[tuple]:
    """One request: its answer, the body as a file, and whether the answer says where that ends."""
    import requests
    from urllib3.exceptions import HTTPError

    headers = {"Accept-Encoding": "gzip", **headers}
    logging.getLogger("urllib3.connectionpool").setLevel(logging.INFO)  # below that it logs whole URLs
    sent = {"params": params, "headers": headers, "auth": auth, "json": body, "data": form}
    method = "GET" if body is None and form is None else "POST"
    try:
        with contextlib.ExitStack() as stack:
            session = session or stack.enter_context(_session())
            asked = session.request(method, url, **sent, stream=True, timeout=TIMEOUT)
            response = stack.enter_context(asked)
            _check_status(response)
            encoding = response.headers.get("Content-Encoding", "identity").lower()
            if encoding not in ("identity", "gzip", "x-gzip"):
                raise Refused(f"{response.url}: the answer is encoded as {encoding}, which nobody asked for")
            content, packed = io.BufferedReader(_Body(response.raw), BLOCK), "gzip" in encoding
            ends = packed or response.raw.chunked or "Content-Length" in response.headers
            plain = gzip.GzipFile(fileobj=content) if packed else content
            yield response, cast(BinaryIO, plain), ends
    except requests.exceptions.SSLError as problem:
        raise Refused(f"{url}: the certificate is not accepted: {problem}") from problem
    except (requests.exceptions.TooManyRedirects, requests.exceptions.InvalidURL) as problem:
        raise Refused(f"{url}: {problem}") from problem
    except (EOFError, gzip.BadGzipFile, zlib.error) as problem:
        raise TryAgain(f"{url}: the gzip of the body is cut off or broken: {problem}") from problem
    except (requests.exceptions.RequestException, HTTPError, ConnectionError, TimeoutError) as problem:
        raise TryAgain(f"{url}: {problem}") from problem


class _Body(io.RawIOBase):
    """A body as it comes, compressed or not; urllib3 raises HTTPError when it is shorter than announced."""

    def __init__(self, raw):
        self._raw, self._end = raw, time.monotonic() + MAX_SECONDS

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        if time.monotonic() > self._end:
            raise TimeoutError(f"the body did not end within {MAX_SECONDS} s")
        block = self._raw.read1(len(buffer), decode_content=False) or b""
        buffer[: len(block)] = block
        return len(block)


def _check_status(response) -> None:
    from urllib3.exceptions import InvalidHeader
    from urllib3.util import Retry

    status = response.status_code
    if status in (200, 204):
        return
    words = " ".join(response.raw.read(2000, decode_content=True).decode(errors="replace").split())
    message = f"{response.url}: {status} {response.reason}: {words or 'no explanation'}"
    problem = TryAgain(message)
    with contextlib.suppress(InvalidHeader):
        problem.wait = Retry().get_retry_after(response.raw)
    asked_to_wait = status == 403 and problem.wait is not None
    if not (status in PASSING or status >= 500 or asked_to_wait):
        raise Refused(message)
    raise problem


def _copy_header(body: BinaryIO, sink: BinaryIO, check: Callable[[bytes], object]) -> None:
    """Take the header from the body; it goes to `sink` unless that has it already."""
    line = body.readline(BLOCK).removeprefix(b"\xef\xbb\xbf").removesuffix(b"\n").removesuffix(b"\r")
    try:
        if line.lstrip()[:1] in (b"", b"<", b"{") or line[:2] == GZIP:
            raise Permanent("there is no header.")
        check(line)
    except Permanent as problem:
        raise TryAgain(f"Not the expected CSV: {problem} {_looks_like(line)}") from None
    end = sink.tell()
    sink.seek(0)
    first = sink.readline().rstrip(b"\n")
    sink.seek(end)
    if not end:
        sink.write(line + b"\n")
    elif line != first:
        raise TryAgain("The columns changed from one answer to the next")


def _looks_like(start: bytes) -> str:
    """What an answer is that is not the right one, in words."""
    if start[:2] == GZIP:
        return "it is gzip, though its headers do not say so"
    if start.lstrip()[:1] == b"<":
        text = re.sub(r"<[^>]*>", " ", start[:2000].decode(errors="replace"))
        return f"it is a page of HTML or XML: {' '.join(text.split())[:200]!r}"
    return f"it starts with {start[:80]!r}"
