"""The transform's functions on rows made by hand."""

import io

import pandas as pd
import pytest

from << cookiecutter.__package >> import cleaning, contract, reading
from << cookiecutter.__package >>.contract import COLUMN_NAMES
from << cookiecutter.__package >>.errors import Permanent
from << cookiecutter.__package >>.rejects import describe

DAY = "2018-02-01"
GOOD = {
    "time": "2018-02-01T01:00:00.000Z",
    "latitude": "37.5",
    "longitude": "-118.8",
    "depth": "1.1",
    "mag": "0.5",
    "magType": "md",
    "nst": "10",
    "net": "nc",
    "id": "nc1",
    "updated": "2018-02-01T02:00:00.000Z",
    "place": "8km E of Mammoth Lakes, CA",
    "type": "earthquake",
    "status": "reviewed",
}


def line(**changes):
    row = {**GOOD, **changes}
    cells = [str(row.get(name, "")) for name in COLUMN_NAMES]
    return ",".join('"' + c.replace('"', '""') + '"' if set(c) & set(',"\n\r') else c for c in cells)


HEADER = ",".join(COLUMN_NAMES)


def conform(*rows, header=HEADER, size=reading.PIECE):
    """The typed rows as dicts, and the rejects as (line, reason, text)."""
    content = "\n".join([header, *rows, ""])
    rejects, tables = [], []

    def reject(line, problems, text):
        rejects.append((line, "; ".join(describe(*problem) for problem in problems), text))

    for piece in reading.pieces(io.BytesIO(content.encode("utf-8", "surrogateescape")), size):
        tables += cleaning.conform(piece, DAY, reject).to_pylist()
    return tables, rejects


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
        ({"id": "x" * 1001}, "is longer than 1000 bytes"),
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
    assert text.decode() == bad


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
    rows, rejects = conform(
        line(id="a"), bad, line(id="b"), line(id="c", place="no comma"), line(id="d", latitude="")
    )
    assert [row["id"] for row in rows] == ["a", "b", "c"]
    assert [at for at, _, _ in rejects] == [3, 6]
    assert reason in rejects[0][1]
    assert rejects[0][2] == bad.encode("utf-8", "surrogateescape")


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
    with pytest.raises(Permanent, match="lacks the columns magSource"):
        conform(header=",".join(COLUMN_NAMES[:-1]))


@pytest.mark.parametrize("size", [1, 50, 1000, 10**6])
def test_the_size_of_the_pieces_does_not_matter(size):
    """Down to a byte at a time: the same rows, the same rejects, the same line numbers."""
    content = [
        *(line(id=f"n{i}") for i in range(20)),
        line(id="quoted", place='a\n"b"\nc'),
        line(mag="bad"),
        '"open',
        *(line(id=f"m{i}", latitude="" if i % 3 else "1") for i in range(10)),
        "a,b",
        line(id="last"),
    ]
    assert conform(*content, size=size) == conform(*content)


def table(*rows):
    """The rows as typed events; they all keep the contract."""
    (piece,) = reading.pieces(io.BytesIO("\n".join([HEADER, *rows, ""]).encode()))
    return cleaning.conform(piece, DAY, pytest.fail)


def newest(*rows):
    events = cleaning.in_order(table(*rows))
    return events.filter(cleaning.newest(events))


def test_the_newest_record_of_an_id_wins():
    older = line(id="a", mag="1", updated="2018-02-01T02:00:00.000Z")
    newer = line(id="a", mag="2", updated="2018-02-05T02:00:00.000Z")
    other = line(id="b", mag="3", time="2018-02-01T05:00:00.000Z")
    for rows in ([older, newer, other], [other, newer, older], [newer, other, older, older]):
        assert newest(*rows).to_pydict()["mag"] == [2, 3]


def test_records_updated_at_the_same_instant_are_told_apart_by_their_content():
    rows = [line(mag=mag, place=place) for mag in ("1", "2", "") for place in ("x", "y", "")]
    chosen = newest(*rows).to_pylist()
    assert len(chosen) == 1
    assert newest(*reversed(rows)).to_pylist() == chosen


def test_events_come_in_the_order_of_time():
    rows = [line(id=f"i{h}", time=f"2018-02-01T{h:02d}:00:00.000Z") for h in (5, 3, 23, 0, 11)]
    assert newest(*rows).to_pydict()["id"] == ["i0", "i3", "i5", "i11", "i23"]


def test_what_is_no_earthquake_is_set_apart():
    earthquakes, others = cleaning.split(table(line(), line(id="b", type="quarry blast")))
    assert (earthquakes.num_rows, others.to_pydict()["type"]) == (1, ["quarry blast"])


@pytest.mark.parametrize(
    ("mag", "name"),
    [
        ("-1", "micro"),
        ("2.99", "micro"),
        ("3", "minor"),
        ("4.5", "light"),
        ("5", "moderate"),
        ("6", "strong"),
        ("7.9", "major"),
        ("8", "great"),
        ("", None),
    ],
)
def test_magnitude_classes(mag, name):
    frame = cleaning.derive(cleaning.to_frame(table(line(mag=mag))), "UTC")
    assert frame["magnitude_class"].to_list() == [name if name else pd.NA]


@pytest.mark.parametrize(
    ("depth", "name"),
    [
        ("-2", "shallow"),
        ("69.9", "shallow"),
        ("70", "intermediate"),
        ("299", "intermediate"),
        ("300", "deep"),
        ("", None),
    ],
)
def test_depth_classes(depth, name):
    frame = cleaning.derive(cleaning.to_frame(table(line(depth=depth))), "UTC")
    assert frame["depth_class"].to_list() == [name if name else pd.NA]


@pytest.mark.parametrize(
    ("zone", "time", "day"),
    [
        ("UTC", "2018-02-01T00:30:00.000Z", "2018-02-01"),
        ("America/Los_Angeles", "2018-02-01T07:59:59.999Z", "2018-01-31"),
        ("America/Los_Angeles", "2018-02-01T08:00:00.000Z", "2018-02-01"),
        ("Pacific/Kiritimati", "2018-02-01T10:00:00.000Z", "2018-02-02"),
    ],
)
def test_the_local_day(zone, time, day):
    frame = cleaning.derive(cleaning.to_frame(table(line(time=time))), zone)
    assert [d.isoformat() for d in frame["local_day"]] == [day]


@pytest.mark.parametrize(
    ("time", "day"),
    [
        ("2018-03-11T07:59:00Z", "2018-03-10"),
        ("2018-03-12T06:59:00Z", "2018-03-11"),
        ("2018-03-12T07:00:00Z", "2018-03-12"),
    ],
)
def test_the_local_day_across_the_start_of_daylight_saving(time, day):
    times = pd.Series(pd.to_datetime([time])).astype("timestamp[ms, tz=UTC][pyarrow]")
    frame = pd.DataFrame({"mag": [1.0], "depth": [1.0], "time": times})
    assert [d.isoformat() for d in cleaning.derive(frame, "America/Los_Angeles")["local_day"]] == [day]


def test_the_written_schema_carries_types_units_and_meanings():
    written = cleaning.to_table(cleaning.derive(cleaning.to_frame(table(line())), "UTC"))
    assert written.schema.equals(cleaning.SCHEMA, check_metadata=True)
    for column in contract.COLUMNS + contract.DERIVED:
        field = written.schema.field(column.name)
        assert field.metadata == {b"unit": column.unit.encode(), b"description": column.meaning.encode()}
        assert field.nullable == column.nullable


@pytest.mark.parametrize("size", [1, 100, 250])
def test_a_line_break_in_the_last_column_at_the_end_of_a_piece(size):
    rows, rejects = conform(line(id="a", magSource="x\ny"), line(id="b"), size=size)
    assert [(row["id"], row["magSource"]) for row in rows] == [("a", "x\ny"), ("b", None)]
    assert rejects == []
