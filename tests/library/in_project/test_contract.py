"""From text to clean rows: the functions of the library, on rows of the example made by hand."""

import dataclasses
import datetime
import gzip
import hashlib
import io
import json
import zipfile

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from dirty import DAY, GOOD, record
from my_etl.datasets import TYPES, Column, Csv, Dataset, contract, parquet, reading
from my_etl.datasets.settings import Permanent
from my_etl.datasets.steps import Rejects
from my_etl.earthquakes.dataset import EARTHQUAKES

COLUMN_NAMES = [column.name for column in EARTHQUAKES.columns]


def line(**changes):
    return record({**GOOD, **changes}, COLUMN_NAMES)


HEADER = ",".join(COLUMN_NAMES)


def conform(*rows, header=HEADER, size=None, dataset=EARTHQUAKES):
    """The typed rows as dicts, and the rejects as (line, reason, text)."""
    content = "\n".join([header, *rows, ""]).encode("utf-8", "surrogateescape")
    return conform_bytes(content, dataset, size)


def conform_bytes(content, dataset=EARTHQUAKES, size=None):
    kept, sink = [], io.BytesIO()
    before, reading.PIECE = reading.PIECE, size or reading.PIECE
    try:
        for piece in reading.pieces(dataset, io.BytesIO(content), hashlib.sha256()):
            rows = contract.conform(dataset, piece, DAY, Rejects(sink))
            kept += rows.drop_columns([contract.PLACE]).to_pylist()
    finally:
        reading.PIECE = before
    rejects = [json.loads(line) for line in sink.getvalue().splitlines()]
    return kept, [(row["line"], row["reason"], row["row"]) for row in rejects]


def test_a_good_row_is_typed():
    (row,), rejects = conform(line())
    assert rejects == []
    assert row["time"].isoformat() == "2018-02-01T01:00:00+00:00"
    assert (row["latitude"], row["depth"], row["nst"]) == (37.5, 1.1, 10)
    assert row["magNst"] is None
    assert row["place"] == "8km E of Mammoth Lakes, CA"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"latitude": "north"}, "latitude 'north' is not a number"),
        ({"latitude": "90.1"}, "latitude '90.1' is outside -90 to 90"),
        ({"latitude": ""}, "latitude is missing"),
        ({"longitude": "-180.001"}, "longitude '-180.001' is outside -180 to 180"),
        ({"depth": "nan"}, "depth 'nan' is outside -100 to 1,000"),
        ({"mag": "inf"}, "mag 'inf' is outside -5 to 10"),
        ({"mag": "1e999"}, "mag '1e999' is outside -5 to 10"),
        ({"nst": "1.5"}, "nst '1.5' is not a whole number"),
        ({"nst": "-1"}, "nst '-1' is outside 0 to 100,000"),
        ({"id": ""}, "id is missing"),
        ({"id": "x" * 1001}, "is longer than 1000 characters"),
        ({"id": "   "}, "id '   ' is missing"),
        ({"nst": "0x1F"}, "nst '0x1F' is not a whole number"),
        ({"latitude": "0x1F"}, "latitude '0x1F' is not a number"),
        ({"time": ""}, "time is missing"),
        ({"time": "2018-02-01T01:00:00.000"}, "time '2018-02-01T01:00:00.000' is not a time with a zone"),
        ({"time": "2018-02-02T00:00:00.000Z"}, "is outside the day 2018-02-01 (UTC)"),
        ({"time": "2018-02-01T01:00:00.000+02:00"}, "is outside the day 2018-02-01 (UTC)"),
        ({"time": "2018-02-31T01:00:00.000Z"}, "is not a time with a zone"),
        ({"updated": "9999-12-31T00:00:00.000Z"}, "is outside 1900-01-01 to 2200-01-01"),
        ({"updated": "0001-01-01T00:00:00.000Z"}, "is outside 1900-01-01 to 2200-01-01"),
        ({"type": ""}, "type is missing"),
    ],
)
def test_a_row_that_breaks_the_contract_is_rejected_with_the_reason(changes, reason):
    bad = line(**changes)
    rows, rejects = conform(line(id="before"), bad, line(id="after"))
    assert [row["id"] for row in rows] == ["before", "after"]
    ((at, said, text),) = rejects
    assert at == 3
    assert reason in said
    assert text == bad


def test_every_broken_rule_is_named():
    _, ((_, reason, _),) = conform(line(latitude="x", mag="99", id=""))
    assert reason == "latitude 'x' is not a number; mag '99' is outside -5 to 10; id is missing"


def test_missing_values_that_may_be_missing():
    rows, rejects = conform(line(mag="", depth="", nst="", place="", magType=""))
    assert rejects == []
    assert [rows[0][name] for name in ("mag", "depth", "nst", "place", "magType")] == [None] * 5


def test_an_offset_is_converted_to_utc():
    (row,), _ = conform(line(time="2018-02-01T07:30:00.000+05:30"))
    assert row["time"].isoformat() == "2018-02-01T02:00:00+00:00"


def test_line_breaks_quotes_and_unicode_inside_quotes_are_kept():
    place = 'Near "Tōkyō",\nJapan\r\n🌏'
    rows, rejects = conform(line(id="a"), line(id="b", place=place), line(id="c", mag="bad"))
    assert [(row["id"], row["place"]) for row in rows][1] == ("b", place)
    assert rejects[0][0] == 6, "the line in the file, not the number of the record"


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("a,b,c", "3 columns instead of 22"),
        (line() + ",extra", "23 columns instead of 22"),
        ("   ", "1 columns instead of 22"),
        (line().replace(', CA"', ", CA"), "a quote that the line does not close"),
        (line(magType="\udcff"), "not UTF-8"),
        (line().replace("md", "m\rd"), "carriage return"),
    ],
)
def test_a_broken_line_costs_no_other_line(bad, reason):
    rows, rejects = conform(line(id="a"), bad, line(id="b"), line(id="c", place="no comma"), line(id="d", latitude=""))
    assert [row["id"] for row in rows] == ["a", "b", "c"]
    assert [at for at, _, _ in rejects] == [3, 6]
    assert reason in rejects[0][1]
    assert rejects[0][2] == bad.encode("utf-8", "surrogateescape").decode(errors="backslashreplace")


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("size", [None, 12])
def test_the_header_in_the_middle_is_no_row(mark, end, size):
    """Of files one behind the other: where all columns are text, nothing else would tell it from a row."""
    texts = Dataset("texts", (Column("id", "text"), Column("name", "text")), None, kind="events")
    lines = [f"{mark}id,name", "a,Anna", "a,name", f"{mark}id,name", '"x\nid,name\n",y', "b,Bert", f"{mark}id,name"]
    rows, rejects = conform_bytes((end.join(lines) + "\n").encode(), texts, size)
    assert [row["name"] for row in rows] == ["Anna", "name", "y", "Bert"]
    assert [(at, reason) for at, reason, _ in rejects] == [(4, "the header again"), (9, "the header again")]
    named = dataclasses.replace(texts, format=Csv(names=("id", "name")))
    rows, rejects = conform_bytes(b"id,name\na,Anna\n\nid,name\n", named, size)
    assert (len(rows), rejects) == (3, [])


def test_empty_lines_are_no_rows():
    rows, rejects = conform("", line(), "", "")
    assert (len(rows), rejects) == (1, [])


def test_reordered_and_additional_columns():
    values = dict(zip(COLUMN_NAMES, line(place="x").split(","), strict=True))
    header = ["more", *reversed(COLUMN_NAMES)]
    (row,), rejects = conform(",".join(values.get(name, "?") for name in header), header=",".join(header))
    assert rejects == []
    assert (row["id"], row["latitude"]) == ("nc1", 37.5)


def test_a_missing_column_fails_the_file():
    with pytest.raises(Permanent, match="lacks the columns magSource; there are no others"):
        conform(header=",".join(COLUMN_NAMES[:-1]))


@pytest.mark.parametrize(
    ("slip", "words"),
    [
        ({"columns": (Column("id", "txt"),)}, "knows no type 'txt', only text, number"),
        ({"derived": (Column("size", "float"),)}, "knows no type 'float'"),
        ({"key": ("id", "nr")}, "knows no column 'nr', only time, latitude"),
        ({"newest": "at"}, "knows no column 'at'"),
        ({"time": "at"}, "knows no column 'at'"),
        ({"format": "json"}, "knows no format 'json', only csv, jsonl"),
    ],
)
def test_a_slip_in_a_dataset_is_said_where_it_is_made(slip, words):
    with pytest.raises(ValueError, match=words):
        dataclasses.replace(EARTHQUAKES, **slip)


def test_every_type_that_a_column_may_have_is_one_that_cleaning_knows():
    assert set(TYPES) == set(parquet.TYPES)


@pytest.mark.parametrize(
    "value",
    ['{"a": 1, "b": [1.50, 1e3, null, true]}', "[ ]", '{ "a" : {"\\ud83d": "]}" } }', '[{"x": "\\"},"}, -0.0]', "{}"],
)
@pytest.mark.parametrize("before", ["", '"x": 1.5, ', '"text": 3, "more": {"text": [7]}, '])
def test_objects_and_arrays_are_kept_as_they_are_written(value, before):
    rows, rejects = conform_bytes(f'\t{{ {before}"text" :  {value}, "ok": true }}\r\n'.encode(), EVERYTHING)
    assert ([row["text"] for row in rows], rejects) == ([value], [])


def test_a_pair_of_surrogates_is_a_character():
    (row,), _ = conform_bytes(b'{"text": "\\ud83c\\udf0f"}', EVERYTHING)
    assert row["text"] == "🌏"


@pytest.mark.parametrize(
    "slip",
    [
        {"type": "text", "low": "a"},
        {"type": "boolean", "high": 1},
        {"type": "number", "low": 2, "high": 1},
        {"type": "integer", "low": "1"},
        {"type": "timestamp", "low": "2018-02-30"},
        {"type": "timestamp", "low": 2018},
        {"type": "date", "low": "2018-02-02", "high": "2018-02-01"},
        {"type": "timestamp", "low": "2018-02-01T00:00+02:00", "high": "2018-01-31T21:00Z"},
    ],
)
def test_a_range_that_is_none_is_said_where_it_is_made(slip):
    with pytest.raises(ValueError, match=f"x has low=.*, which is no range of a {slip['type']}"):
        Column("x", **slip)


def test_the_zone_of_a_limit_counts():
    columns = (Column("at", "timestamp", low="2018-02-01T02:00+02:00", high="2018-02-01T00:00:00Z"),)
    dataset = Dataset("d", columns, None, kind="events")
    content = b"at\n2018-01-31T23:59:59.999Z\n2018-02-01T00:00:00Z\n2018-02-01T00:00:00.001Z\n"
    rows, rejects = conform_bytes(content, dataset)
    assert (len(rows), [line for line, *_ in rejects]) == (1, [2, 4])
    assert "is outside 2018-02-01T02:00+02:00 to 2018-02-01T00:00:00Z" in rejects[0][1]


def test_a_text_is_as_long_as_its_column_says():
    columns = (Column("short", "text", longest=3), Column("long", "text", longest=5000))
    dataset = Dataset("d", columns, None, kind="events")
    rows, ((line, reason, _),) = conform_bytes(f"short,long\nüüü,{'x' * 5000}\nüüüü,\n".encode(), dataset)
    assert (len(rows), line, reason) == (1, 3, "short 'üüüü' is longer than 3 characters")


def one_column(texts, **column):
    """What comes of the texts as values of a column: values, and the reasons of those that are rejected."""
    dataset = Dataset("d", (Column("x", **column),), None, kind="events", format="jsonl")
    rows, rejects = conform_bytes("".join(json.dumps({"x": text}) + "\n" for text in texts).encode(), dataset)
    return [row["x"] for row in rows], [reason for _, reason, _ in rejects]


@pytest.mark.parametrize(
    ("texts", "digits", "fractions"),
    [
        (["2018-02-01T12:00:00.123456+00:00"], 3, [123000]),
        (["2018-02-01 12:00:00.123456+00", "2018-02-01T12:00:00Z"], 3, [123000, 0]),
        (["2018-02-01T12:00:00.123456789Z", "2018-02-01T13:00:00.9999999+0100"], 3, [123000, 999000]),
        (["2018-02-01T12:00:00.123456789Z", "2018-02-01T12:00:00.1Z"], 6, [123456, 100000]),
    ],
)
def test_fractions_of_a_second_are_kept_or_cut(texts, digits, fractions):
    """PostgreSQL, Java and Go write six to nine digits."""
    values, rejects = one_column(texts, type="timestamp", digits=digits)
    noon = datetime.datetime(2018, 2, 1, 12, tzinfo=datetime.UTC)
    assert (values, rejects) == ([noon.replace(microsecond=each) for each in fractions], [])


@pytest.mark.parametrize(
    ("text", "zone"), [("2018-02-01T12:00:00.123456Z", ""), ("2018-02-01 13:00:00.123456", "Europe/Berlin")]
)
def test_times_that_are_alike_are_read_at_once(monkeypatch, text, zone):
    monkeypatch.setattr(contract, "_halved", None)
    values, rejects = one_column([text] * 3, type="timestamp", zone=zone, digits=6)
    assert values == [datetime.datetime(2018, 2, 1, 12, microsecond=123456, tzinfo=datetime.UTC)] * 3
    assert rejects == []


@pytest.mark.parametrize(
    ("kind", "near"),
    [
        ("timestamp", ["2018-02-01T00:00:00.000.123Z", "2018-25-01T00:00:00Z", "2018-02-01T24:00:00Z"]),
        ("number", ["1.2.3", "12-34", "1e", "1+1", "-", "."]),
        ("date", ["2018-13-01", "2018-02-32"]),
    ],
)
def test_a_column_of_what_is_near_is_not_searched_value_by_value(monkeypatch, kind, near):
    calls, halved = [], contract._halved
    monkeypatch.setattr(contract, "_halved", lambda text, to: calls.append(text) or halved(text, to))
    values, rejects = one_column(near * 100, type=kind)
    assert (values, len(rejects), len(calls)) == ([], 100 * len(near), 1)


@pytest.mark.parametrize("zone", ["", "Z", "+01", "+0130", "-01:30", "+24", "+0160", "+1", "z", " Z"])
@pytest.mark.parametrize(
    "time",
    ["00", "2359", "23:59", "23:59:59", "235959", "2400", "24:00", "1", "23:5", "23:59:60", "10:59:59.", "10:00.5"],
)
def test_what_looks_like_a_time_is_what_can_be_read(zone, time):
    """So the mask hides none that Arrow would take."""
    text = pa.array([f"2018-02-01T{time}{zone}", f"2018-02-01 {time}{zone}"])
    looks = pc.match_substring_regex(text, f"^{contract.TIME}{contract.OFFSET if zone else ''}$").to_pylist()
    try:
        pc.cast(text, pa.timestamp("us", "UTC") if zone else pa.timestamp("us"))
        assert looks == [True, True]
    except pa.ArrowInvalid:
        assert looks == [False, False]


def test_a_fraction_is_cut_before_1970_too():
    (value,), _ = one_column(["1969-12-31T23:59:59.999999Z"], type="timestamp")
    assert value.isoformat() == "1969-12-31T23:59:59.999000+00:00"


def test_a_column_says_the_zone_of_times_without_one():
    texts = [
        "2018-02-01 12:00:00.123456",
        "2018-07-01T12:00",
        "2018-10-28 02:30:00",  # twice
        "2018-02-01T12:00:00Z",
        "2018-03-25 02:30:00",  # skipped
        "2018-02-30 12:00:00",
        "2018-02-01",
        "soon",
    ]
    values, rejects = one_column(texts, type="timestamp", zone="Europe/Berlin")
    utc = ["2018-02-01T11:00:00.123", "2018-07-01T10:00:00", "2018-10-28T00:30:00", "2018-02-01T12:00:00"]
    assert [value.isoformat().replace("123000", "123") for value in values] == [f"{each}+00:00" for each in utc]
    assert rejects == [f"x {text!r} is not a time in Europe/Berlin, like 2018-02-01 00:00:00" for text in texts[4:]]
    assert one_column(texts[:1], type="timestamp")[0] == []


@pytest.mark.parametrize("slip", [{"zone": "Berlin"}, {"digits": 9}])
def test_a_zone_or_digits_that_are_none(slip):
    with pytest.raises(ValueError, match=r"x has (zone='Berlin'|digits=9): use"):
        Column("x", "timestamp", **slip)


GERMAN_TIMES = [
    "13.02.2018 17:45",
    "3.2.2018 7:05",
    "13.02.2018 17:45:30",  # has seconds
    "31.02.2018 12:00",
    "29.02.2018 12:00",
    "2018-02-13 17:45",
    "13/02/2018 17:45",
    "13.02.18 17:45",
    "13.02.2018",
    "13.02.2018 24:00",
    "13.02.2018 17:45 x",
    "25.03.2018 02:30",  # skipped by the clocks
    "13.02.1018 17:45",
    "gestern",
]


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_a_column_says_how_its_times_are_written(form):
    """As tills and spreadsheets write them; each reject keeps its text."""
    columns = (
        Column("at", "timestamp", zone="Europe/Berlin", format="%d.%m.%Y %H:%M"),
        Column("on", "date", format="%m/%d/%y", low="2018-01-01"),
        Column("sent", "timestamp", format="%Y%m%d%H%M%S.%f%z"),
    )
    dataset = Dataset("d", columns, None, kind="events", format=form)
    good = {"at": GERMAN_TIMES[0], "on": "02/13/18", "sent": "20180213174530.1239+0100"}
    rows = [*({**good, "at": text} for text in GERMAN_TIMES), {**good, "on": "13/02/18"}, {**good, "on": "12/31/17"}]
    rows += [{**good, "sent": "20180213174530.1239"}, {**good, "at": "", "on": "", "sent": ""}]
    lines = [",".join(columns_of) for columns_of in [good, *(row.values() for row in rows)]]
    if form == "jsonl":
        lines = [json.dumps(row) for row in rows]
    kept, rejects = conform_bytes("\n".join([*lines, ""]).encode(), dataset)
    first = form == "csv"
    assert [row["at"] and row["at"].isoformat() for row in kept] == [
        "2018-02-13T16:45:00+00:00",
        "2018-02-03T06:05:00+00:00",
        None,
    ]
    assert (kept[0]["on"], kept[0]["sent"].isoformat()) == (
        datetime.date(2018, 2, 13),
        "2018-02-13T16:45:30.123000+00:00",
    )
    assert [line for line, *_ in rejects] == [number + 1 + first for number in range(2, len(rows) - 1)]
    reasons = [reason for _, reason, _ in rejects]
    outside, unread = reasons.pop(10), "is not a timestamp like 13.02.2018 17:45"
    assert reasons[:11] == [f"at {text!r} {unread}" for text in GERMAN_TIMES[2:] if text != "13.02.1018 17:45"]
    assert outside in (f"at '13.02.1018 17:45' {unread}", "at '13.02.1018 17:45' is outside 1900-01-01 to 2200-01-01")
    assert reasons[11:] == [
        "on '13/02/18' is not a date like 02/13/18",
        "on '12/31/17' is outside 2018-01-01 to 2200-01-01",
        "sent '20180213174530.1239' is not a timestamp like 20180213174530.000000+0000",
    ]
    assert [text for *_, text in rejects] == lines[2 + first : -1]


def test_days_that_json_has_as_numbers():
    assert one_column([20180213, 20180214], type="date", format="%Y%m%d") == (
        [datetime.date(2018, 2, 13), datetime.date(2018, 2, 14)],
        [],
    )


@pytest.mark.parametrize(
    ("slip", "words"),
    [
        ({"type": "number", "format": "%Y-%m-%d"}, "which says no day of a number"),
        ({"type": "date", "format": "%d.%m."}, "which says no day of a date"),
        ({"type": "date", "format": "%Q"}, "which says no day"),
        ({"type": "date", "format": "DD.MM.YYYY"}, "which says no day"),
        ({"type": "timestamp", "format": "%d.%m.%Y %H:%M"}, "without %z: say its zone="),
    ],
)
def test_a_format_that_is_none_is_said_where_it_is_made(slip, words):
    with pytest.raises(ValueError, match=f"x has format=.*{words}"):
        Column("x", **slip)


@pytest.mark.parametrize("good", [True, False], ids=["beside good ones", "beside bad ones"])
def test_how_pandas_writes_whole_numbers_beside_missing_ones(good):
    texts = ["3.0", "+3", "-7.00", "4.", "9007199254740993.0"]
    values, rejects = one_column([*texts, "1" if good else "1.5"], type="integer")
    assert values == [3, 3, -7, 4, 9007199254740993] + [1] * good
    assert len(rejects) == (not good)
    values, _ = one_column(["+3", "1.5", "x"], type="number")
    assert values == [3, 1.5]


ORDERS = Dataset(
    "orders",
    (
        Column("id", "text", nullable=False),
        Column("price", "number", low=0, high=10_000),
        Column("pieces", "integer"),
        Column("paid", "boolean"),
        Column("größe", "text"),
    ),
    None,
    kind="events",
    format=Csv(
        delimiter=";",
        decimal=",",
        thousands=".",
        encoding="cp1252",
        nulls=("", "k.A.", "-"),
        true=("ja",),
        false=("nein",),
    ),
)
EUROPEAN = """id;price;pieces;paid;größe
007;1,5;1.000;ja;"groß; ""sehr"" €"
a;1.234,5;k.A.;Nein;k.A.
b;-;-;;"zwei
Zeilen"
c;1.5;1;ja;x
d;1,5,0;1;ja;x
e;;12.34;ja;x
f;1;1;yes;x
g;1;1;ja
"""


def packed(how, content):
    if how == "gz":
        return gzip.compress(content)
    if how == "zip":
        with zipfile.ZipFile(file := io.BytesIO(), "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("orders.csv", content)
        return file.getvalue()
    return content


@pytest.mark.parametrize("how", ["", "gz", "zip"])
@pytest.mark.parametrize("encoding", ["cp1252", "utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
@pytest.mark.parametrize("size", [None, 40])
def test_an_european_csv(how, encoding, size):
    dataset = dataclasses.replace(ORDERS, format=dataclasses.replace(ORDERS.format, encoding=encoding))
    content = packed(how, EUROPEAN.replace("\n", "\r\n").encode(encoding))
    rows, rejects = conform_bytes(content, dataset, size)
    assert [tuple(row.values()) for row in rows] == [
        ("007", 1.5, 1000, True, 'groß; "sehr" €'),
        ("a", 1234.5, None, False, "k.A."),
        ("b", None, None, None, "zwei\r\nZeilen"),
    ]
    assert [(line, reason) for line, reason, _ in rejects] == [
        (6, "price '1.5' is not a number"),
        (7, "price '1,5,0' is not a number"),
        (8, "pieces '12.34' is not a whole number"),
        (9, "paid 'yes' is neither true nor false"),
        (10, "4 columns instead of 5"),
    ]


def test_bytes_that_are_no_text_cost_their_row():
    content = "id;price;pieces;paid;größe\na;1;1;ja;x\nb;1;1;ja;\x81\n".encode("latin-1")
    rows, ((line, reason, text),) = conform_bytes(content, ORDERS)
    assert ([row["id"] for row in rows], line, reason) == (["a"], 3, "the text is not CP1252")
    assert text == "b;1;1;ja;\\x81"
    wide = dataclasses.replace(ORDERS, format=dataclasses.replace(ORDERS.format, encoding="utf-16"))
    with pytest.raises(UnicodeError):
        conform_bytes(EUROPEAN.encode("utf-16")[:-1], wide)
    with pytest.raises(EOFError):
        conform_bytes(gzip.compress(EUROPEAN.encode("cp1252"))[:-20], ORDERS)


@pytest.mark.parametrize("delimiter", ["\t", "|", "^", "]", "-"])
@pytest.mark.parametrize("quote", ["'", '"', ""])
def test_a_delimiter_and_a_quote_of_any_kind(delimiter, quote):
    written = [["a", "1.5"], ["b", "x"], [f"{quote}c{delimiter}{quote}", "2"]] if quote else [["a", "1.5"], ['"b', "2"]]
    lines = ["sep=", *(delimiter.join(row) for row in [["id", "price"], *written, ["d"]]), ""]
    columns = ORDERS.columns[:2]
    dataset = dataclasses.replace(ORDERS, columns=columns, format=Csv(delimiter, quote, skip=1))
    rows, rejects = conform_bytes("\n".join(lines).encode(), dataset)
    if quote:
        assert [row["id"] for row in rows] == ["a", f"c{delimiter}"]
        assert [line for line, *_ in rejects] == [4, 6]
    else:
        assert ([row["id"] for row in rows], [line for line, *_ in rejects]) == (["a", '"b'], [5])


def test_a_file_without_a_header():
    dataset = dataclasses.replace(ORDERS, columns=ORDERS.columns[:2], format=Csv(names=("price", "more", "id")))
    rows, rejects = conform_bytes(b"1.5,x,a\n2,,b,\n", dataset)
    assert (rows, [line for line, *_ in rejects]) == ([{"id": "a", "price": 1.5}], [2])
    with pytest.raises(Permanent, match="names of orders lacks the columns id"):
        dataclasses.replace(dataset, format=Csv(names=("price", "more")))


@pytest.mark.parametrize(
    ("slip", "words"),
    [
        ({"delimiter": ""}, "delimiter='': use one character"),
        ({"delimiter": ";;"}, "delimiter=';;'"),
        ({"quote": "\n"}, "quote="),
        ({"decimal": "·"}, "decimal='·'"),
        ({"decimal": ",", "thousands": ","}, "the same character for decimal and thousands"),
        ({"delimiter": '"'}, "the same character for delimiter and quote"),
        ({"encoding": "utf-9"}, "encoding='utf-9', which Python does not know"),
    ],
)
def test_a_slip_in_a_format_is_said_where_it_is_made(slip, words):
    with pytest.raises(ValueError, match=words):
        Csv(**slip)


def table(*rows, dataset=EARTHQUAKES):
    """The rows as typed events; they all keep to the columns."""
    (piece,) = reading.pieces(dataset, io.BytesIO("\n".join([HEADER, *rows, ""]).encode()), hashlib.sha256())
    return contract.conform(dataset, piece, DAY, pytest.fail)


def newest(*rows):
    return contract.newest(EARTHQUAKES, [table(*rows)])[0]


def test_the_newest_record_of_an_id_wins():
    older = line(id="a", mag="1", updated="2018-02-01T02:00:00.000Z")
    newer = line(id="a", mag="2", updated="2018-02-05T02:00:00.000Z")
    other = line(id="b", mag="3", time="2018-02-01T05:00:00.000Z")
    for rows in ([older, newer, other], [other, newer, older], [newer, other, older, older]):
        assert newest(*rows).to_pydict()["mag"] == [2, 3]


def test_of_records_updated_at_the_same_instant_the_one_with_more_values_wins():
    rows = [line(mag="9", place=""), line(mag="1", place="x"), line(mag="", place="z")]
    assert newest(*rows).to_pydict()["mag"] == newest(*reversed(rows)).to_pydict()["mag"] == [1]


def test_of_those_with_as_many_values_it_does_not_depend_on_the_order():
    rows = [line(mag=mag, place=place) for mag in ("1", "2", "") for place in ("x", "y", "")]
    (chosen,) = newest(*rows).to_pylist()
    assert newest(*reversed(rows)).to_pylist() == [chosen]


def test_a_record_without_a_time_is_older_than_any():
    columns = (Column("id", "text"), Column("updated", "timestamp"), Column("x", "integer"), Column("y", "integer"))
    dataset = Dataset("d", columns, fetch=None, kind="events", key="id", newest="updated")
    rows = ["a,,1,1", "a,2018-02-01T00:00:00Z,2,"]
    for order in (rows, rows[::-1]):
        content = "\n".join(["id,updated,x,y", *order, ""]).encode()
        (piece,) = reading.pieces(dataset, io.BytesIO(content), hashlib.sha256())
        kept, dropped = contract.newest(dataset, [contract.conform(dataset, piece, DAY, pytest.fail)])
        assert (kept.to_pydict()["x"], dropped) == ([2], 1)


def test_a_key_of_several_columns():
    dataset = dataclasses.replace(EARTHQUAKES, key=("net", "id"))
    rows = [line(net="a", id="1"), line(net="b", id="1"), line(net="a", id="1", updated="2018-02-02T00:00:00Z")]
    kept, dropped = contract.newest(dataset, [table(*rows)])
    assert (sorted(kept.to_pydict()["net"]), dropped) == (["a", "b"], 1)


def test_a_key_of_numbers_some_of_which_are_missing():
    dataset = Dataset("d", (Column("n", "integer"), Column("x", "number")), fetch=None, kind="events", key="n")
    parts = []
    for rows in (["6,1", "7,2"], ["6,", ",3"], [",4", "8,5"]):
        (piece,) = reading.pieces(dataset, io.BytesIO("\n".join(["n,x", *rows, ""]).encode()), hashlib.sha256())
        parts.append(contract.conform(dataset, piece, DAY, pytest.fail))
    kept, dropped = contract.newest(dataset, parts)
    assert (sorted(kept.to_pydict()["x"]), dropped) == ([1, 2, 4, 5], 2)


def test_rows_come_in_the_order_of_time():
    rows = [line(id=f"i{h}", time=f"2018-02-01T{h:02d}:00:00.000Z") for h in (5, 3, 23, 0, 11)]
    assert newest(*rows).to_pydict()["id"] == ["i0", "i3", "i5", "i11", "i23"]


def test_the_written_schema_has_types_units_and_meanings():
    columns = EARTHQUAKES.columns + EARTHQUAKES.derived
    schema = parquet.schema(columns)
    frame = EARTHQUAKES.clean(parquet.to_frame(table(line())))
    (written,) = parquet.row_groups(frame, np.array([True]), schema)
    assert written.schema.equals(schema, check_metadata=True)
    for column in columns:
        field = written.schema.field(column.name)
        assert field.metadata == {b"unit": column.unit.encode(), b"description": column.meaning.encode()}
        assert field.nullable == column.nullable


@pytest.mark.parametrize("size", [1, 100, 250])
def test_a_line_break_in_the_last_column_at_the_end_of_a_piece(size):
    rows, rejects = conform(line(id="a", magSource="x\ny"), line(id="b"), size=size)
    assert [(row["id"], row["magSource"]) for row in rows] == [("a", "x\ny"), ("b", None)]
    assert rejects == []


def test_a_forgotten_quote_costs_its_own_line_even_when_the_next_line_has_quotes():
    bad = line(id="bad").replace(', CA"', ", CA")
    quoted = line(id="b", place='"', magSource='"')
    for following in (line(id="b"), quoted, line(id="b", place="x, y")):
        rows, rejects = conform(line(id="a"), bad, following, line(id="c"))
        assert [row["id"] for row in rows] == ["a", "b", "c"]
        assert [(at, text) for at, _, text in rejects] == [(3, bad)]


def test_text_limits_count_characters():
    rows, rejects = conform(line(id="a", place="ü" * 1000), line(id="b", place="ü" * 1001))
    assert [row["id"] for row in rows] == ["a"]
    assert "longer than 1000 characters" in rejects[0][1]


def test_a_header_with_spaces_after_commas_is_accepted():
    rows, rejects = conform(line(), header=", ".join(COLUMN_NAMES))
    assert (len(rows), rejects) == (1, [])


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (f"{HEADER},id", "has id more than once"),
        (HEADER.replace("depth", "de\rpth"), "carriage return"),
        ("<html>", "lacks the columns time, latitude.*there are <html>"),
        ("\0" + HEADER, "zero byte"),
    ],
)
def test_a_header_that_is_not_right_is_named(header, words):
    with pytest.raises(Permanent, match=words):
        conform(header=header)


def test_a_doubled_column_that_nobody_wants():
    rows, rejects = conform(line() + ",1,2", header=f"{HEADER},more,more")
    assert (len(rows), rejects) == (1, [])


def test_a_file_without_a_header_is_empty():
    assert conform_bytes(b"") == ([], [])


EVERYTHING = Dataset(
    "everything",
    columns=(
        Column("at", "timestamp", low="2018-01-01", high="2018-12-31"),
        Column("on", "date", low="2018-01-01"),
        Column("n", "integer", low=0),
        Column("x", "number"),
        Column("ok", "boolean"),
        Column("text", "text", optional=True),
    ),
    fetch=None,
    kind="events",
    format="jsonl",
    rules={"n is more than x": lambda frame: frame["n"] > frame["x"]},
)
VALUES = {
    "at": datetime.datetime(2018, 2, 1, 1, tzinfo=datetime.UTC),
    "on": datetime.date(2018, 2, 1),
    "n": 3,
    "x": 3.5,
    "ok": True,
    "text": "ü",
}
AS_JSON = '{"at": "2018-02-01T01:00:00Z", "on": "2018-02-01", "n": 3, "x": 3.5, "ok": true, "text": "ü"}'


def test_every_type_from_csv_and_from_json():
    csv = dataclasses.replace(EVERYTHING, format="csv")
    assert conform_bytes(b"at,on,n,x,ok,text\n2018-02-01T01:00:00Z,2018-02-01,3,3.5,true,\xc3\xbc\n", csv) == (
        [VALUES],
        [],
    )
    assert conform_bytes(AS_JSON.encode(), EVERYTHING) == ([VALUES], [])
    assert conform_bytes(b'{"n": null, "more": [1]}\n\n', EVERYTHING) == ([dict.fromkeys(VALUES)], [])


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("[1]", "not an object in JSON"),
        ('{"n": 1', "not an object in JSON"),
        ('{"n": 1.5}', "n '1.5' is not a whole number"),
        ('{"n": -1}', "n '-1' is outside 0 to any"),
        ('{"x": NaN}', "x 'NaN' is outside any to any"),
        ('{"ok": "yes"}', "ok 'yes' is neither true nor false"),
        ('{"on": "2018-13-01"}', "on '2018-13-01' is not a date"),
        ('{"on": "2017-12-31"}', "on '2017-12-31' is outside 2018-01-01 to 2200-01-01"),
        ('{"at": "2019-01-01T00:00:00Z"}', "is outside 2018-01-01 to 2018-12-31"),
        ('{"n": 4, "x": 3}', "n is more than x"),
        ('{"n": {"a": 1}}', "n '{\"a\": 1}' is not a whole number"),
        ('{"text": "\\ud83d"}', "half of a surrogate pair is no character"),
    ],
)
def test_rows_of_json_are_rejected_with_the_reason_too(row, reason):
    rows, rejects = conform_bytes(f"{AS_JSON}\n{row}\n{AS_JSON}\n".encode(), EVERYTHING)
    assert rows == [VALUES, VALUES]
    ((at, said, text),) = rejects
    assert (at, text) == (2, row)
    assert reason in said
