"""JSON lines: msgspec is used where it says the same as a look at each row, and only there."""

import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from my_etl.datasets import Column, Dataset, contract, reading

TYPES = ("text", "number", "integer", "boolean", "timestamp")
COLUMNS = tuple(Column(kind, kind, optional=kind != "text", low=0 if kind == "integer" else None) for kind in TYPES)
ROWS = Dataset("rows", COLUMNS, fetch=None, kind="events", format="jsonl")
PLAIN = b'{"text": "a", "number": 1.50, "integer": 2, "boolean": true, "timestamp": "2018-02-01T00:00:00Z"}\n'

texts = st.sampled_from(["a", "", "ü", "\U0001f600", "a\tb", "\x00", "2018-02-01T00:00:00Z", "12.50", "-1", "true"])
numbers = st.sampled_from(["0", "-0", "1", "-1", "1.50", "1e3", "1.0", "9007199254740993", "92233720368547758080"])
odd = st.sampled_from(["NaN", "Infinity", "-Infinity", "Inf", "1e400", "01", "nan", '"\\ud83d"', '"\\ude00"', "{}"])
cells = st.one_of(
    texts.map(json.dumps),
    texts.map(lambda text: json.dumps(text, ensure_ascii=False)),
    numbers,
    odd,
    st.sampled_from(["null", "true", "false", '{"a": 1.50}', "[1,2.0]"]),
)
names = st.sampled_from([*TYPES, "other"])
rows = st.lists(st.tuples(names, cells), max_size=5).map(
    lambda members: "{" + ", ".join(f'"{name}": {cell}' for name, cell in members) + "}"
)
lines = st.one_of(rows, st.sampled_from(["", "{", "null", "[]", '{"text": "a"}{"text": "b"}', '{"text":\n"a"}', " {}"]))


def made_of(piece):
    """What becomes of a piece: clean rows, and rejects with line, reasons and text."""
    rejects = []
    typed = contract.conform(ROWS, piece, "2018-02-01", lambda *reject: rejects.append(reject))
    return typed.drop_columns([contract.PLACE]).to_pylist(), rejects


def without_minus_zero(made):
    """Of numbers, the integer -0 is 0.0 by one and -0.0 by the other: the same number."""
    rows, rejects = made
    return [
        {name: value + 0.0 if value == 0 and name == "number" else value for name, value in row.items()} for row in rows
    ], rejects


def row_by_row(content):
    return reading._Json(ROWS)._row_by_row(content, 1)


def check(content):
    at_once = reading._Json(ROWS)._at_once(content, 1)
    if at_once:
        slow = row_by_row(content)
        assert repr(without_minus_zero(made_of(at_once))) == repr(without_minus_zero(made_of(slow)))
        wanted = {column.name for column in COLUMNS if not column.optional}
        assert wanted - set(at_once.names) == wanted - set(slow.names)
    return at_once


@settings(max_examples=400, deadline=None)
@given(st.lists(lines, min_size=1, max_size=4), st.sampled_from(["\n", "\r\n"]))
@example(['{"text": 5}', '{"text": -0}'], "\n")
@example(['{"text": "a"}', '{"integer": -3, "number": 1.50}'], "\n")
@example(['{"text": "a"}{"text": "b"}', ""], "\n")
def test_both_say_the_same(found, end):
    check(end.join([*found, ""]).encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize("row", [b'{"text": "\xff"}', b'{"other": "\xff"}', b"\xef\xbb\xbf{}"])
def test_what_is_no_utf8_is_looked_at_row_by_row(row):
    assert check(PLAIN + row + b"\n") is None


@pytest.mark.parametrize(
    "rows",
    [
        PLAIN * 30,
        PLAIN.replace(b"}\n", b"}\r\n") * 2,
        PLAIN.replace(b'"a"', b"17") * 2,  # numbers that are ids
        PLAIN.replace(b"1.50", b'"1.50"').replace(b" 2,", b' "2",') * 2,  # texts that are numbers
        PLAIN.replace(b"true", b"1") * 2,
        PLAIN.replace(b"2,", b"null,") * 2,
        PLAIN.replace(b" 2,", b" -2,") + PLAIN,  # a row to reject
        PLAIN.replace(b'"a"', b'"\\ud83d\\ude00"') * 2,
    ],
)
def test_ordinary_rows_are_parsed_at_once(rows):
    assert check(rows)


def test_a_rejected_row_shows_its_values_as_they_were_written():
    piece = check(PLAIN + PLAIN.replace(b" 2,", b" -2,"))
    _, [(line, problems, text)] = made_of(piece)
    assert (line, text) == (2, PLAIN.replace(b" 2,", b" -2,").strip())
    assert problems == [("integer", "-2", "is outside 0 to any")]


def test_nested_values_stay_as_they_are():
    content = PLAIN.replace(b'"a"', b'{"b":  [1.50]}')
    assert check(content) is None
    assert made_of(row_by_row(content))[0][0]["text"] == '{"b":  [1.50]}'


def test_a_column_that_no_row_has_is_found():
    content = PLAIN.replace(b'"text": "a", ', b"") * 2
    assert check(content) is None
    assert "text" not in row_by_row(content).names
