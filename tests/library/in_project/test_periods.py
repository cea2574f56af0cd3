"""Hours, days, weeks and months: their keys, what is in them, and what is read of them."""

import dataclasses
import itertools
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
from my_etl.datasets import Column, Dataset, Period, read, steps
from my_etl.datasets.settings import NoSuchDay, Permanent

BERLIN = "Europe/Berlin"


@pytest.mark.parametrize(
    ("name", "zone", "key", "start", "end"),
    [
        ("hour", "UTC", "2018-02-01T23", "2018-02-01T23:00", "2018-02-02T00:00"),
        ("hour", BERLIN, "2018-10-28T00", "2018-10-28T00:00", "2018-10-28T01:00"),  # 2 o'clock, for the first time
        ("day", BERLIN, "2018-10-28", "2018-10-27T22:00", "2018-10-28T23:00"),
        ("week", "UTC", "2018-01-29", "2018-01-29T00:00", "2018-02-05T00:00"),
        ("week", BERLIN, "2018-03-19", "2018-03-18T23:00", "2018-03-25T22:00"),
        ("month", "UTC", "2018-12", "2018-12-01T00:00", "2019-01-01T00:00"),
        ("month", BERLIN, "2018-03", "2018-02-28T23:00", "2018-03-31T22:00"),
        ("month", "UTC", "2020-02", "2020-02-01T00:00", "2020-03-01T00:00"),
    ],
)
def test_where_a_period_begins_and_ends(name, zone, key, start, end):
    period = Period(name, zone)
    first, last = (datetime.fromisoformat(edge).replace(tzinfo=UTC) for edge in (start, end))
    assert period.bounds(key) == (first, last)
    assert period.key(first) == period.key(last - timedelta(seconds=1)) == key
    assert period.earlier(period.key(last), 1) == key
    assert period.key(last, -1) == key


def test_the_months_before():
    month = Period("month")
    assert [month.earlier("2018-02", number) for number in (1, 2, 12, 13)] == [
        "2018-01",
        "2017-12",
        "2017-02",
        "2017-01",
    ]
    assert month.key(datetime(2018, 3, 31, tzinfo=UTC), -1) == "2018-02"


@pytest.mark.parametrize(
    ("name", "key", "words"),
    [
        ("hour", "2018-02-01", "is not an hour: write it like 2018-02-01T05"),
        ("hour", "2018-02-01T24", "is not an hour"),
        ("day", "2018-02-30", "is not a day: write it like 2018-02-01"),
        ("day", "2018-2-1", "is not a day"),
        ("week", "2018-01-30", "is not a week: write it by its Monday, like 2018-01-29"),
        ("month", "2018-02-01", "is not a month: write it like 2018-02"),
    ],
)
def test_what_is_no_key(name, key, words):
    with pytest.raises(Permanent, match=f"{key!r} {words}"):
        Period(name).bounds(key)


def meter(period, zone="UTC", **options):
    """A dataset with a row a quarter of an hour, asked for with an hour more at both ends."""

    def fetch(start, end):
        at = start.astimezone(UTC) - timedelta(hours=1)
        while at < end.astimezone(UTC) + timedelta(hours=1):
            yield {"at": at.isoformat(), "n": at.hour}
            at += timedelta(minutes=15)

    columns = (Column("at", "timestamp"), Column("n", "integer"))
    given = {"kind": "events", "time": "at", "format": "jsonl", "period": period, "zone": zone, **options}
    return Dataset("meter", columns, fetch, **given)


def publish(settings, dataset, *keys, slices=1, **options):
    counts = []
    for key in keys:
        parts = steps.plan(dataset, [key], slices)
        steps.publish(dataset, [steps.fetch(dataset, part, settings) for part in parts], settings)
        counts.append(steps.transform(dataset, key, dataclasses.replace(settings, max_rejected_share=1), **options))
    return counts


KEYS = {
    "hour": ("2018-03-25T00", "2018-03-25T01", "2018-03-25T23"),
    "day": ("2018-03-24", "2018-03-25", "2018-03-26"),
    "week": ("2018-03-12", "2018-03-19", "2018-03-26"),
    "month": ("2018-02", "2018-03", "2018-12"),
}


@pytest.mark.parametrize("zone", ["UTC", BERLIN])
@pytest.mark.parametrize("period", KEYS)
def test_every_row_is_in_its_period_and_pandas_alone_reads_the_same(settings, period, zone):
    dataset = meter(period, zone)
    counts = publish(settings, dataset, *KEYS[period])
    hours = [(end - start) / timedelta(hours=1) for start, end in map(dataset.periods.bounds, KEYS[period])]
    assert [each["clean"] for each in counts] == [4 * number for number in hours]
    assert {each["rejected"] for each in counts} == {8}
    folder = Path(settings.data_root.removeprefix("file://"), "clean", "meter")
    assert sorted(path.name for path in folder.iterdir() if path.is_dir()) == [
        f"partition_date={k}" for k in KEYS[period]
    ]
    first, second, last = KEYS[period]
    whole = pd.read_parquet(folder)
    assert whole["partition_date"].astype(str).unique().tolist() == [*KEYS[period]]
    pd.testing.assert_frame_equal(read("meter", first, last), whole.drop(columns="partition_date"))
    assert len(read("meter", second)) == 4 * hours[1]
    assert len(read("meter", first, second)) == 4 * sum(hours[:2])
    assert len(read("meter", "2018-02", "2018-12")) == len(whole)
    if period == "hour":
        assert len(read("meter", "2018-03-25")) == len(whole)
    with pytest.raises(NoSuchDay, match="meter of 2019-01 is not in"):
        read("meter", "2019-01")
    with pytest.raises(Permanent, match="'2018-W05' is not a day"):
        read("meter", "2018-W05")


def test_the_hour_that_the_clock_shows_twice(settings):
    """Berlin's 2:30 of 2018-10-28, without a zone: in a file of 0 o'clock UTC it is the first, of 1 the second."""
    dataset = meter("hour", BERLIN)
    dataset = dataclasses.replace(
        dataset,
        columns=(Column("at", "timestamp", zone=BERLIN), *dataset.columns[1:]),
        fetch=lambda start, end: [{"at": "2018-10-28 02:30:00", "n": 1}],
    )
    assert [each["clean"] for each in publish(settings, dataset, "2018-10-28T00", "2018-10-28T01")] == [1, 1]
    found = read("meter", "2018-10-28")["at"].dt.tz_convert(BERLIN).astype(str).to_list()
    assert found == ["2018-10-28 02:30:00+02:00", "2018-10-28 02:30:00+01:00"]


def test_slices_of_a_month_have_no_gap(settings):
    parts = steps.plan(meter("month", BERLIN), ["2018-10"], 31)
    edges = [(datetime.fromisoformat(part["start"]), datetime.fromisoformat(part["end"])) for part in parts]
    assert edges[0][0] == datetime(2018, 10, 1, tzinfo=ZoneInfo(BERLIN))
    assert edges[-1][1] == datetime(2018, 11, 1, tzinfo=ZoneInfo(BERLIN))
    assert all(one[1] == other[0] for one, other in itertools.pairwise(edges))
    assert publish(settings, meter("month", key="at"), "2018-02", slices=4)[0]["clean"] == 28 * 96
    with pytest.raises(Permanent, match="2018-02-01T05 can be cut into 1 to 60 slices, not 61"):
        steps.plan(meter("hour"), ["2018-02-01T05"], 61)


def test_a_month_is_not_replaced_by_a_much_smaller_one(settings):
    (full,) = publish(settings, meter("month"), "2018-02")
    few = dataclasses.replace(meter("month"), fetch=lambda start, end: [{"at": start.isoformat(), "n": 1}])
    with pytest.raises(Permanent, match="meter of 2018-02 has 1 rows, less than 1344 "):
        publish(settings, few, "2018-02")
    assert len(read("meter", "2018-02")) == full["clean"] == 2688
    assert publish(settings, few, "2018-02", accept=True)[0]["clean"] == 1


@pytest.mark.parametrize(
    ("period", "key", "now", "taken"),
    [
        ("hour", "2018-02-01T05", "2018-02-01T05:59", True),
        ("hour", "2018-02-01T05", "2018-02-01T06:01", True),
        ("hour", "2018-02-01T05", "2018-02-01T07:00", False),
        ("month", "2018-01", "2018-02-01T23:00", True),
        ("month", "2018-01", "2018-02-02T00:00", False),
    ],
)
def test_when_a_snapshot_may_be_taken(settings, monkeypatch, period, key, now, taken):
    monkeypatch.setattr(steps, "now", lambda: datetime.fromisoformat(f"{now}+00:00"))
    prices = Dataset(
        "prices", (Column("id", "text"),), lambda: [{"id": "a"}], kind="snapshot", period=period, format="jsonl"
    )
    if taken:
        assert publish(settings, prices, key)[0]["clean"] == 1
    else:
        with pytest.raises(Permanent, match=f"prices of {key} is refused"):
            publish(settings, prices, key)


@pytest.mark.parametrize(
    ("slip", "words"),
    [
        ({"period": "year"}, "meter knows no period 'year', only hour, day, week, month"),
        ({"period": "month", "refetch": (0,)}, "use numbers of months, like"),
    ],
)
def test_what_is_no_period(slip, words):
    with pytest.raises(ValueError, match=words):
        meter(**{"period": "day", **slip})


def test_the_manifest_names_the_files_of_the_period(settings):
    publish(settings, meter("hour"), "2018-02-01T05", slices=2)
    folder = Path(settings.data_root.removeprefix("file://"), "raw", "meter", "partition_date=2018-02-01T05")
    assert sorted(json.loads((folder / "manifest.json").read_text())["files"]) == sorted(
        p.name for p in folder.glob("*.jsonl")
    )
