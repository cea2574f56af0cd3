"""The HTTP client, and the example's source, against a real HTTP server that behaves badly."""

import gzip
import io
import json
import ssl
import time
import traceback
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from ipaddress import ip_address
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from my_etl.datasets import client
from my_etl.datasets.client import Refused, TryAgain
from my_etl.datasets.settings import Permanent
from my_etl.datasets.store import Store
from my_etl.earthquakes import source
from my_etl.earthquakes.dataset import EARTHQUAKES

COLUMN_NAMES = [column.name for column in EARTHQUAKES.columns]
HEADER = ",".join(COLUMN_NAMES)
START = datetime(2018, 2, 1, tzinfo=UTC)
END = START + timedelta(days=1)


def lines(count, first=0):
    return [f"2018-02-01T00:00:{i % 60:02d}.000Z,1,2,3" + "," * 18 for i in range(first, first + count)]


def csv(rows, header=HEADER):
    return "\n".join([header, *rows, ""]).encode()


def answer(body=b"", status=200, headers=(), length=None):
    """An answer for Server.answers; `length` replaces the true Content-Length."""

    def give(handler):
        handler.send_response(status)
        for name, value in headers:
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body) if length is None else length))
        handler.end_headers()
        handler.wfile.write(body)
        if length is not None:
            handler.close_connection = True

    return give


def hang_up(handler):
    handler.close_connection = True
    handler.connection.close()


def stall(handler):
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.flush()
    time.sleep(1)
    handler.close_connection = True


def trickle(handler):
    handler.send_response(200)
    handler.send_header("Content-Length", "100000")
    handler.end_headers()
    handler.close_connection = True
    for byte in csv(lines(2)):
        try:
            handler.wfile.write(bytes([byte]))
        except OSError:
            return
        time.sleep(0.05)


def chunked(body, end=True):
    def give(handler):
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for i in range(0, len(body), 100):
            piece = body[i : i + 100]
            handler.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
        if end:
            handler.wfile.write(b"0\r\n\r\n")
        handler.close_connection = True

    return give


def events_of(all_lines, limit):
    """An answer of a service that has these lines, evenly spread over the day, and a limit."""

    def give(handler):
        query = parse_qs(urlsplit(handler.path).query)
        start, end = (datetime.fromisoformat(query[edge][0] + "+00:00") for edge in ("starttime", "endtime"))
        step = (END - START) / len(all_lines)
        chosen = [line for i, line in enumerate(all_lines) if start <= START + i * step <= end]
        if len(chosen) > limit:
            words = f"Error 400: Bad Request\n\n{len(chosen)} matching events exceeds search limit of {limit}."
            answer(words.encode(), 400)(handler)
        else:
            answer(csv(chosen))(handler)

    return give


@pytest.fixture(autouse=True)
def short_waits(monkeypatch):
    monkeypatch.setattr(client, "FIRST_WAIT", 0.01)
    monkeypatch.setattr(client, "ATTEMPTS", 3)
    monkeypatch.setattr(client, "TIMEOUT", (1, 0.5))


@pytest.fixture
def fetch(server, tmp_path, monkeypatch):
    """Fetch one day from the server; its file's lines. Waits are short."""
    store = Store(f"file://{tmp_path}")

    def fetch(*answers, url=None):
        server.answers[:] = answers
        monkeypatch.setenv("ETL_SOURCE", url or server.url)
        with store.writing("day.csv") as sink:
            EARTHQUAKES.fetch(START, END, sink)
        with store.open("day.csv") as file:
            return file.read().decode().splitlines()

    yield fetch
    assert not list(tmp_path.glob(".*")), "a temporary file is left"


DAY = [HEADER, *lines(5)]
GOOD = answer(csv(lines(5)))


def test_a_good_answer(fetch, server):
    assert fetch(GOOD) == DAY
    query = parse_qs(urlsplit(server.requests[0]).query)
    assert query["starttime"] == ["2018-02-01T00:00:00.000"]
    assert query["endtime"] == ["2018-02-01T23:59:59.999"], "the service includes the end"


@pytest.mark.parametrize(
    "trouble",
    [
        answer(b"busy", 500),
        answer(b"busy", 502),
        answer(b"busy", 503),
        answer(b"slow down", 429),
        answer(b"slow down", 429, [("Retry-After", "0")]),
        answer(csv(lines(5)), length=5000),
        chunked(csv(lines(5))[:-30]),
        answer(b"not yet", 202),
        answer(b"too slow", 408),
        answer(b"too early", 425),
        answer(b"too often", 403, [("Retry-After", "0")]),
        chunked(csv(lines(5)), end=False),
        answer(b"<html><h1>Maintenance</h1></html>", headers=[("Content-Type", "text/html")]),
        answer(b'{"error": true}', headers=[("Content-Type", "application/json")]),
        answer(csv(lines(5), header="time,latitude")),
        answer(b""),
        hang_up,
        stall,
    ],
    ids=[
        "500",
        "502",
        "503",
        "429",
        "429-retry-after",
        "shorter-than-its-length",
        "ends-within-a-line",
        "202",
        "408",
        "425",
        "403-retry-after",
        "chunked-without-end",
        "html",
        "json",
        "header-lacks-columns",
        "empty",
        "hang-up",
        "stall",
    ],
)
def test_trouble_that_passes_is_tried_again(fetch, trouble):
    assert fetch(trouble, trouble, GOOD) == DAY
    with pytest.raises(TryAgain, match="tried 3 times"):
        fetch(trouble)


def test_a_body_that_trickles_for_ever_is_given_up(fetch, monkeypatch, caplog):
    monkeypatch.setattr(client, "MAX_SECONDS", 0.3)
    assert fetch(trickle, GOOD) == DAY
    # By the limit, not because the server was done with it.
    assert "did not end within 0.3 s" in caplog.text


def test_refused_connections_and_unknown_hosts(fetch, server):
    with pytest.raises(TryAgain, match="tried 3 times"):
        fetch(GOOD, url="http://127.0.0.1:1/query")
    with pytest.raises(TryAgain, match="tried 3 times"):
        fetch(GOOD, url="http://no-such-host.invalid/query")


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_retry_after_is_obeyed(fetch, monkeypatch, form):
    waits = []
    monkeypatch.setattr(client.time, "sleep", waits.append)
    then = datetime.now(UTC) + timedelta(seconds=100)
    value = "100" if form == "seconds" else format_datetime(then, usegmt=True)
    assert fetch(answer(b"", 429, [("Retry-After", value)]), GOOD) == DAY
    assert 90 < waits[0] <= 100
    fetch(answer(b"", 503, [("Retry-After", "86400")]), GOOD)
    assert waits[1] == client.MAX_WAIT


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413])
def test_a_refusal_fails_at_once_with_the_servers_words(fetch, server, status):
    with pytest.raises(Refused, match=f"{status}.*Bad starttime value"):
        fetch(answer(b"Error: Bad starttime value", status), GOOD)
    assert len(server.requests) == 1


def test_a_certificate_that_nobody_signed_is_refused_at_once(fetch, server, tmp_path):
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(own_certificate(tmp_path / "server.pem"))
    server.secure(tls)
    with pytest.raises(Refused, match="certificate is not accepted"):
        fetch(GOOD, url=server.url.replace("http:", "https:"))
    assert server.requests == []


def own_certificate(path):
    """A key and a certificate for 127.0.0.1 that it signed itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(private + certificate.public_bytes(pem))
    return path


def test_a_redirect_loop_fails_at_once(fetch, server):
    with pytest.raises(Refused, match="redirects"):
        fetch(answer(status=301, headers=[("Location", server.url)]))


@pytest.mark.parametrize("status", [200, 204])
def test_an_empty_day(fetch, status):
    assert fetch(answer(csv([]) if status == 200 else b"", status)) == ([HEADER] if status == 200 else [])


def test_gzip_chunks_and_a_byte_order_mark(fetch):
    assert fetch(answer(gzip.compress(csv(lines(5))), headers=[("Content-Encoding", "gzip")])) == DAY
    assert fetch(chunked(csv(lines(5)))) == DAY
    assert fetch(answer(b"\xef\xbb\xbf" + csv(lines(5)))) == DAY


def test_a_body_without_a_last_line_break_is_whole_when_its_length_is_right(fetch, server, monkeypatch):
    """As RFC 4180 allows it; what comes behind it begins a line of its own."""
    assert fetch(answer(csv(lines(5))[:-1])) == DAY
    monkeypatch.setattr(source, "ROW_LIMIT", 5)
    assert fetch(answer(csv(lines(5))[:-1]), *[answer(csv(lines(2))[:-1])] * 2) == [HEADER, *lines(2), *lines(2)]


def test_reordered_and_additional_columns_are_kept(fetch):
    header = ",".join(["extra", *reversed(COLUMN_NAMES)])
    assert fetch(answer(csv(["," * 22], header=header))) == [header, "," * 22]


def test_more_rows_than_the_service_gives_at_once_are_fetched_in_halves(fetch, server, monkeypatch):
    monkeypatch.setattr(source, "ROW_LIMIT", 150)
    everything = lines(1000)
    assert fetch(events_of(everything, limit=150)) == [HEADER, *everything]
    assert len(server.requests) > 7


def test_a_service_that_cuts_silently_is_noticed(fetch, monkeypatch):
    """As many rows as the limit allows may be all of them, or not: the range is halved to be sure."""
    monkeypatch.setattr(source, "ROW_LIMIT", 60)
    everything = lines(100)

    def cut(handler):
        query = parse_qs(urlsplit(handler.path).query)
        if query["starttime"] == ["2018-02-01T00:00:00.000"] and query["endtime"] == ["2018-02-01T23:59:59.999"]:
            answer(csv(everything[:60]))(handler)
        else:
            events_of(everything, limit=60)(handler)

    assert fetch(cut) == [HEADER, *everything]


def test_columns_that_change_between_the_halves(fetch):
    other = ",".join(reversed(COLUMN_NAMES))
    first, second = answer(csv(lines(5))), answer(csv(lines(5), header=other))
    with pytest.raises(TryAgain, match="columns changed"):
        fetch(answer(b"exceeds search limit", 400), first, second)


def until_closed(body, headers=()):
    """An answer whose end is only the connection's end."""

    def give(handler):
        handler.send_response(200)
        for name, value in headers:
            handler.send_header(name, value)
        handler.send_header("Connection", "close")
        handler.end_headers()
        handler.wfile.write(body)
        handler.close_connection = True

    return give


def test_a_body_cut_at_a_line_end_is_noticed_by_the_services_count(fetch, server):
    whole, cut = until_closed(csv(lines(5))), until_closed(csv(lines(3)))
    count = answer(b"5")
    assert fetch(whole, count) == DAY
    assert [urlsplit(path).path for path in server.requests] == ["/query", "/count"]
    assert parse_qs(urlsplit(server.requests[1]).query).keys() == {"starttime", "endtime"}
    assert fetch(cut, count, whole, count) == DAY
    with pytest.raises(TryAgain, match="3 lines instead of 5"):
        fetch(cut, count, cut, count, cut, count)


def test_without_a_count_a_body_without_an_end_is_refused(server, tmp_path):
    server.answers[:] = [until_closed(csv(lines(5)))]
    with Store(f"file://{tmp_path}").writing("day.csv") as sink:
        with pytest.raises(TryAgain, match="nothing in the answer says where its body ends"):
            client.download_csv(server.url, sink)
        assert sink.tell() == 0


@pytest.mark.parametrize("packed", [gzip.compress(csv(lines(5))), gzip.compress(csv(lines(2))) * 3])
def test_an_unfinished_gzip_is_an_error(fetch, packed):
    headers = [("Content-Encoding", "gzip")]
    with pytest.raises(TryAgain, match="gzip of the body is cut off or broken"):
        fetch(answer(packed[:-9], headers=headers))
    with pytest.raises(TryAgain, match="gzip of the body is cut off or broken"):
        fetch(until_closed(packed[:-9], headers=headers))
    assert fetch(until_closed(gzip.compress(csv(lines(5))), headers=headers)) == DAY


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"<!doctype html><title>Sorry</title>\n<h1>Maintenance</h1>", "a page of HTML or XML: 'Sorry'"),
        (gzip.compress(csv(lines(5))), "it is gzip, though its headers do not say so"),
        (csv(lines(5)).replace(b"depth", b"de\rpth"), "carriage return"),
        (b"Service unavailable\n", "lacks the columns time.*starts with b'Service unavailable'"),
        (b"", "there is no header"),
    ],
)
def test_what_is_no_csv_is_said_in_words(fetch, body, words):
    with pytest.raises(TryAgain, match=words):
        fetch(answer(body))


def test_an_encoding_that_nobody_asked_for(fetch):
    with pytest.raises(Refused, match="encoded as br"):
        fetch(answer(b"x", headers=[("Content-Encoding", "br")]))


def test_json(server):
    server.answers[:] = [answer(b"", 503), answer(b"{"), answer(b'{"a": [1]}')]
    assert client.get_json(server.url, {"page": 2}) == {"a": [1]}
    assert server.requests == ["/query?page=2"] * 3
    server.answers[:] = [answer(b"<h1>Login</h1>")]
    with pytest.raises(TryAgain, match=r"not JSON.*HTML"):
        client.get_json(server.url)


KEY = "k3y+of/mine=9"
WORDS = [
    answer(b"", 503),
    answer(f"Unknown key {KEY}".encode(), 403),
    answer(b"{"),
    answer(status=301, headers=[("Location", "?token=" + quote(KEY))]),
    answer(b"", headers=[("Content-Encoding", "br")]),
    hang_up,
    None,
]
ASKED = {
    "in a parameter": ("", {"api_key": KEY}, {}),
    "in a parameter with another name": ("", {"x": [KEY]}, {}),
    "in the URL": ("?apikey=" + quote(KEY, safe=""), {}, {}),
    "in a header": ("", {}, {"X-Api-Key": KEY}),
    "in a header that is none": ("", {}, {"X-Api-Key": f"{KEY}\n"}),
    "with its kind": ("", {}, {"Authorization": f"Bearer {KEY}"}),
}


@pytest.mark.parametrize("words", WORDS, ids=lambda words: getattr(words, "__qualname__", str(words)))
@pytest.mark.parametrize("asked", ASKED.values(), ids=ASKED)
def test_no_key_is_in_an_error_or_a_log(server, caplog, asked, words):
    """The days are: they help. Nor is it in what the error comes from, which Airflow's log shows as well."""
    caplog.set_level("DEBUG")
    behind, params, headers = asked
    url = server.url if words else "http://127.0.0.1:9/query"
    server.answers[:] = [words] if words else [GOOD]
    for get in (client.get_json, lambda *a, **b: client.download_csv(*a[:1], io.BytesIO(), *a[1:], **b)):
        with pytest.raises((TryAgain, Permanent)) as problem:
            get(url + behind, {"start": "2018-02-01", **params}, headers=headers)
        said = "".join(traceback.format_exception(problem.value)) + caplog.text
        for form in (KEY, quote(KEY), quote(KEY, safe="")):
            assert form not in said
        assert KEY not in repr(problem.value)


def test_no_key_of_pages_is_in_an_error(server):
    server.answers[:] = [json_answer({"rows": PAGES[0], "next": f"{server.url}?api_key={KEY}"})]
    for options in ({"params": {"api_key": KEY}}, {"body": {"password": KEY}}, {"auth": ("me", KEY)}):
        with pytest.raises(Permanent) as problem:
            list(client.pages(server.url, rows="rows", next="next", **options))
        for form in (KEY, quote(KEY), quote(KEY, safe="")):
            assert form not in str(problem.value)


def test_what_helps_to_find_the_fault_stays_in_an_error(server):
    server.answers[:] = [answer(b"no data for 2018-02-01", 404)]
    with pytest.raises(Refused) as problem:
        client.get_json(server.url, {"day": "2018-02-01", "limit": 20000, "lat": "-33.5", "key": 1234})
    assert str(problem.value).startswith(f"{server.url}?day=2018-02-01&limit=20000&lat=-33.5&key=…: 404 ")
    assert "no data for 2018-02-01" in str(problem.value)


def test_a_login_in_the_address_is_not_shown(server):
    server.answers[:] = [answer(b"", 404)]
    with pytest.raises(Refused) as problem:
        client.get_json(server.url.replace("//", "//me:my-password@"))
    assert "my-password" not in str(problem.value)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_own_headers_do_not_go_to_another_host(server, host):
    """Nor to another port of it, where somebody else may listen; to another path, they do."""
    headers = {"X-Api-Key": "mine", "Authorization": "Bearer mine", "Cookie": "session=mine", "Accept": "text/x"}
    other = type(server)()
    try:
        other.answers[:] = server.answers[:] = [answer(b"{}")]
        server.answers.insert(0, answer(status=302, headers=[("Location", "/elsewhere")]))
        assert client.get_json(server.url, headers=headers) == {}
        assert server.requests == ["/query", "/elsewhere"]
        assert server.received[1][0]["X-Api-Key"] == "mine"
        there = other.url.replace("127.0.0.1", host)
        server.answers[:] = [answer(status=302, headers=[("Location", there)])]
        assert client.get_json(server.url, headers=headers) == {}
        ((got, _),) = other.received
        assert "mine" not in str(dict(got))
        assert got["Accept"] == "text/x"
    finally:
        other.close()


def json_answer(value, **headers):
    return answer(json.dumps(value).encode(), headers=headers.items())


PAGES = [[{"id": 1}, {"id": 2}], [{"id": 3}], []]


@pytest.mark.parametrize(
    ("answers", "options", "asked"),
    [
        (
            [{"rows": PAGES[0], "next": "{url}?p=2"}, {"rows": PAGES[1]}],
            {"rows": "rows", "next": "next"},
            ["?a=1", "?p=2"],
        ),
        (
            [{"d": {"i": PAGES[0]}, "l": {"n": "query?p=2"}}, {"d": {"i": PAGES[1]}, "l": {"n": None}}],
            {"rows": "d.i", "next": "l.n"},
            ["?a=1", "?p=2"],
        ),
        (
            [{"rows": PAGES[0], "c": "x y"}, {"rows": PAGES[1], "c": ""}],
            {"rows": "rows", "next": "c", "into": "after"},
            ["?a=1", "?a=1&after=x+y"],
        ),
        (PAGES, {"page": "n"}, ["?a=1&n=1", "?a=1&n=2", "?a=1&n=3"]),
    ],
    ids=["next", "relative", "cursor", "number"],
)
def test_pages(server, answers, options, asked):
    server.answers[:] = [json_answer(json.loads(json.dumps(each).replace("{url}", server.url))) for each in answers]
    assert [row["id"] for row in client.pages(server.url, {"a": 1}, **options)] == [1, 2, 3]
    assert server.requests == [f"/query{query}" for query in asked]


def test_pages_by_the_link_header(server):
    link = f'<{server.url}?p=2>; rel="next", <{server.url}>; rel="first"'
    server.answers[:] = [json_answer(PAGES[0], Link=link), json_answer(PAGES[1], Link='<x>; rel="first"')]
    assert [row["id"] for row in client.pages(server.url)] == [1, 2, 3]


@pytest.mark.parametrize(
    ("answers", "options", "words"),
    [
        ([{"rows": PAGES[0], "next": "{url}"}], {"next": "next"}, "the same page comes again"),
        (
            [
                {"rows": PAGES[0], "next": "{url}?1"},
                {"rows": PAGES[1], "next": "{url}?2"},
                {"rows": [], "next": "{url}?1"},
            ],
            {"next": "next"},
            "same page",
        ),
        ([{"rows": PAGES[0]}], {"page": "n"}, "the same page comes again"),
        ([{"rows": PAGES[0], "c": "x"}], {"next": "c", "into": "after"}, "the same page comes again"),
        ([{"error": "no"}], {"next": "next"}, "no rows at 'rows': {.error.: .no.}"),
        ([{"rows": PAGES[0], "next": "http://elsewhere.example/"}], {"next": "next"}, "is not on 127.0.0.1"),
    ],
)
def test_pages_that_have_no_end_or_are_none(server, answers, options, words):
    server.answers[:] = [json_answer(json.loads(json.dumps(each).replace("{url}", server.url))) for each in answers]
    with pytest.raises(Permanent, match=words):
        list(client.pages(server.url, rows="rows", **options))
    assert len(server.requests) <= 4


def test_who_asks_and_what_is_posted(server):
    """Basic, bearer and client credentials; a body makes it a POST, and has the cursor."""
    server.answers[:] = [json_answer([])]
    client.get_json(server.url, auth=("me", "secret"))
    client.get_json(server.url, headers={"Authorization": "Bearer x"})
    assert [headers["Authorization"] for headers, _ in server.received] == ["Basic bWU6c2VjcmV0", "Bearer x"]
    server.received.clear()
    token = json_answer({"access_token": "t", "expires_in": 3600})
    server.answers[:] = [token, json_answer({"rows": PAGES[0], "c": 7}), json_answer({"rows": PAGES[1]})]
    auth = client.ClientCredentials(f"{server.url}/token", "me", "secret", scope="read")
    found = client.pages(server.url, rows="rows", next="c", into="after", auth=auth, body={"q": 1})
    assert [row["id"] for row in found] == [1, 2, 3]
    (asked, form), *posts = server.received
    assert (asked["Authorization"], form) == ("Basic bWU6c2VjcmV0", b"grant_type=client_credentials&scope=read")
    assert [json.loads(body) for _, body in posts] == [{"q": 1}, {"q": 1, "after": 7}]
    assert {headers["Authorization"] for headers, _ in posts} == {"Bearer t"}
    server.answers[:] = [json_answer({"error": "no"})]
    with pytest.raises(Refused, match="no access_token"):
        client.get_json(server.url, auth=client.ClientCredentials(server.url, "me", "secret"))


@pytest.mark.parametrize("value", ["ftp://example.com", "usgs ", "earthquakes"])
def test_a_source_that_is_none(value):
    with pytest.raises(ValueError, match="use sample, usgs or the http"):
        source.service({"ETL_SOURCE": value})
