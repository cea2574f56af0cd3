"""A day's files: whole or absent, whoever writes, crashes, or does it twice."""

import contextlib
import csv
import dataclasses
import glob
import gzip
import hashlib
import json
import os
import re
import resource
import subprocess
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from dirty import ID, without_ids
from my_etl.datasets import Column, Csv, Dataset, contract, read, steps, store
from my_etl.datasets import frame as frame_of
from my_etl.datasets.settings import NoSuchDay, Permanent, commit, load
from my_etl.datasets.store import Store
from my_etl.earthquakes import source
from my_etl.earthquakes.dataset import EARTHQUAKES

DAY = "2018-02-01"
COLUMN_NAMES = [column.name for column in EARTHQUAKES.columns]
CLEAN, RAW = (f"{kind}/earthquakes/partition_date={DAY}" for kind in ("clean", "raw"))


def extract(settings, slices=4, day=DAY, dataset=EARTHQUAKES):
    fetched = [steps.fetch(dataset, part, settings) for part in steps.plan(dataset, [day], slices)]
    return steps.publish(dataset, fetched, settings)[day]


def transform(settings, dataset=EARTHQUAKES, **options):
    return steps.transform(dataset, DAY, settings, **options)


def put_raw(settings, *slices):
    """Write CSV contents as the raw day, a slice each; no file of another number of slices is left."""
    for path in Path(root(settings), RAW).glob("*"):
        path.unlink()
    for number, content in enumerate(slices):
        with Store(settings.data_root).writing(f"{RAW}/{number:04d}-of-{len(slices):04d}.csv") as sink:
            sink.write(content.encode())


def raw_sizes(settings):
    return json.loads(Path(root(settings), RAW, "manifest.json").read_text())["files"]


def sample_lines():
    return (source.SAMPLE / f"{DAY}.csv").read_text().splitlines()


def in_slices(lines, count):
    header, *rows = lines
    return ["\n".join([header, *rows[i::count], ""]) for i in range(count)]


def changed(line, **values):
    row = dict(zip(COLUMN_NAMES, next(csv.reader([line])), strict=True)) | values
    return ",".join(f'"{cell}"' if "," in cell else cell for cell in row.values())


def root(settings):
    return settings.data_root.removeprefix("file://")


def files(settings):
    top = Path(root(settings))
    return {str(path.relative_to(top)): path.read_bytes() for path in top.rglob("*") if path.is_file()}


def events(settings, kind="clean"):
    return read("earthquakes", DAY, folder=kind)


def rejected(settings):
    (path,) = glob.glob(f"{root(settings)}/rejected/*/*/earthquakes.jsonl")
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


def test_a_day_is_one_file_in_each_folder_even_when_there_is_nothing_in_it(settings):
    assert extract(settings)["files"] == 4
    counts = transform(settings)
    assert counts == {"read": 231, "clean": 224, "duplicates": 0, "set_apart": 7, "rejected": 0}
    assert sorted(path for path in files(settings) if not path.startswith("raw")) == [
        "clean/earthquakes/columns.parquet",
        f"{CLEAN}/earthquakes.parquet",
        f"rejected/earthquakes/partition_date={DAY}/earthquakes.jsonl",
        "set_apart/earthquakes/columns.parquet",
        f"set_apart/earthquakes/partition_date={DAY}/earthquakes.parquet",
    ]
    put_raw(settings, sample_lines()[0] + "\n")
    assert transform(settings, accept=True)["read"] == 0
    assert len(events(settings)) == len(events(settings, "set_apart")) == len(rejected(settings)) == 0
    assert list(events(settings).columns) == [c.name for c in EARTHQUAKES.columns + EARTHQUAKES.derived]


def test_the_file_says_what_it_was_made_from(settings):
    extract(settings)
    counts = transform(settings)
    metadata = pq.read_schema(f"{root(settings)}/{CLEAN}/earthquakes.parquet").metadata
    assert json.loads(metadata[b"counts"]) == counts
    assert json.loads(metadata[b"raw_sha256"]) == {
        ID.sub("", path.rpartition("/")[2]).replace("..", "."): hashlib.sha256(content).hexdigest()
        for path, content in files(settings).items()
        if path.startswith("raw") and path.endswith(".csv")
    }
    assert metadata[b"contract"].decode() == steps.contract_hash(EARTHQUAKES)
    assert metadata[b"commit"].decode() == commit()


def test_another_contract_has_another_name():
    column = dataclasses.replace(EARTHQUAKES.columns[1], high=89)
    others = [
        dataclasses.replace(EARTHQUAKES, columns=(EARTHQUAKES.columns[0], column, *EARTHQUAKES.columns[2:])),
        dataclasses.replace(EARTHQUAKES, rules={"too small": lambda frame: frame["mag"] < 0}),
        dataclasses.replace(EARTHQUAKES, format=Csv(nulls={"-", "N/A"})),
    ]
    assert len({steps.contract_hash(one) for one in (EARTHQUAKES, *others)}) == 4
    same = dataclasses.replace(EARTHQUAKES, format=Csv(nulls={"N/A", "-"}))
    assert steps.contract_hash(same) == steps.contract_hash(others[2])


def test_the_commit_of_the_files(tmp_path):
    module = tmp_path / "dags" / "module.py"
    module.parent.mkdir()
    module.write_text("")
    synced = tmp_path / "worktrees" / ("a1" * 20)
    synced.mkdir(parents=True)
    (tmp_path / "current").symlink_to(synced)
    assert commit(f"{tmp_path}/current/dags/module.py") == "a1" * 20
    assert commit(str(module)) == ""
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@example.com"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "x"]):
        subprocess.run([*git, *words], cwd=tmp_path, check=True)
    commit.cache_clear()
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=tmp_path, capture_output=True, text=True).stdout.strip()
    assert commit(str(module)) == head
    commit.cache_clear()
    module.write_text("changed")
    assert commit(str(module)) == f"{head}-dirty"


def test_pandas_alone_reads_the_same(settings):
    extract(settings)
    transform(settings)
    pd.testing.assert_frame_equal(events(settings), pd.read_parquet(f"{root(settings)}/{CLEAN}"))


def plain(settings, name, kind="clean"):
    """A whole folder as anybody reads it."""
    return pd.read_parquet(f"{root(settings)}/{kind}/{name}").drop(columns="partition_date")


def publish_rows(settings, dataset, day, *rows):
    dataset = dataclasses.replace(dataset, fetch=lambda start, end, sink: sink.write(json_lines(rows)))
    extract(settings, 1, day, dataset)
    return steps.transform(dataset, day, settings)


KINDS_OF_COLUMNS = (
    Column("id", "text"),
    Column("n", "integer"),
    Column("x", "number"),
    Column("ok", "boolean"),
    Column("on", "date"),
    Column("at", "timestamp"),
)
BIG = {"id": "a", "n": 9007199254740993, "x": 1.5, "ok": True, "on": DAY, "at": f"{DAY}T01:00:00Z"}
NOTHING = dict.fromkeys(BIG)


def test_a_year_in_which_a_column_was_added_reads_the_same_by_pandas_alone(settings):
    """Values beside missing ones, a column that came later, whole numbers that became fractions, one that went."""
    dataset = Dataset("orders", KINDS_OF_COLUMNS, None, kind="events", format="jsonl")
    publish_rows(settings, dataset, "2018-02-01", BIG, NOTHING)
    first = plain(settings, "orders")
    assert first["n"].to_list() == [9007199254740993, pd.NA]
    types = {"n": "Int64", "x": "float64", "ok": "boolean", "on": "date32[day][pyarrow]", "at": "datetime64[ms, UTC]"}
    assert {name: str(first[name].dtype) for name in types} == types
    wider = tuple(
        dataclasses.replace(each, type="number") if each.name == "n" else each for each in KINDS_OF_COLUMNS[1:]
    )
    dataset = dataclasses.replace(dataset, columns=(*wider, Column("price", "number"), Column("pieces", "integer")))
    publish_rows(settings, dataset, "2018-02-03", {**BIG, "n": 2.5, "price": 9.5, "pieces": 3})
    publish_rows(
        settings,
        dataclasses.replace(dataset, columns=dataset.columns),
        "2018-02-01",
        {**NOTHING, "n": 7, "price": 1, "pieces": None},
    )
    old = dataclasses.replace(dataset, columns=KINDS_OF_COLUMNS)
    publish_rows(settings, old, "2018-01-31", {**BIG, "n": 7})
    publish_rows(settings, dataset, "2018-02-02", {**BIG, "n": 5, "price": 1, "pieces": 1})
    ours, theirs = read("orders", "2018-01-01", "2018-02-28"), plain(settings, "orders")
    pd.testing.assert_frame_equal(ours, theirs)
    assert list(ours) == [column.name for column in dataset.columns]
    assert ours["n"].to_list() == [7, 7, 5, 2.5]
    assert ours["price"].to_list()[1:] == [1, 1, 9.5]
    assert ours["pieces"].to_list() == [pd.NA, pd.NA, 1, 3]
    assert list(read("orders", "2018-01-31")) == list(ours)


def test_a_changed_contract_says_so(settings, caplog):
    dataset = Dataset("orders", KINDS_OF_COLUMNS, None, kind="events", format="jsonl")
    publish_rows(settings, dataset, "2018-02-01", BIG)
    publish_rows(settings, dataset, "2018-02-01", BIG)
    assert "not the columns of before" not in caplog.text
    text = tuple(dataclasses.replace(each, type="text") if each.name == "x" else each for each in KINDS_OF_COLUMNS)
    publish_rows(settings, dataclasses.replace(dataset, columns=text), "2018-02-02", {**BIG, "x": "one"})
    assert "clean/orders/columns.parquet: not the columns of before (x). Older days get them" in caplog.text
    numbers = tuple(
        dataclasses.replace(each, type="integer") if each.name == "x" else each for each in KINDS_OF_COLUMNS
    )
    publish_rows(settings, dataclasses.replace(dataset, columns=numbers), "2018-02-03", {**BIG, "x": 1})
    with pytest.raises(Permanent, match="2018-02-01 has a x that is no int64: transform it again"):
        read("orders", "2018-02-01", "2018-02-03")
    with pytest.raises(pa.ArrowInvalid):
        plain(settings, "orders")


def test_days_from_before_there_was_a_contract_are_read(settings):
    extract(settings)
    transform(settings)
    for path in Path(root(settings)).rglob("columns.parquet"):
        path.unlink()
    assert len(events(settings)) == 224
    with pytest.raises(NoSuchDay, match="earthquakes of 2018-02-02 to 2018-02-04 is not in"):
        read("earthquakes", "2018-02-02", "2018-02-04")


def test_a_record_that_moved_to_another_slice_is_counted_once(settings):
    lines = sample_lines()
    header, rows = lines[0], lines[1:]
    newer = [changed(row, updated="2018-03-01T00:00:00.000Z", mag="1.5") for row in rows[:50]]
    blast = changed(rows[60], updated="2018-03-01T00:00:00.000Z", type="quarry blast")
    put_raw(settings, "\n".join([header, *rows, ""]), "\n".join([header, *newer, blast, ""]))
    counts = transform(settings)
    assert (counts["read"], counts["duplicates"]) == (len(rows) + 51, 51)
    found = events(settings)
    assert found["id"].is_unique
    assert (found["updated"].dt.month == 3).sum() == sum(",earthquake," in row for row in newer)
    ids = set(events(settings, "set_apart")["id"])
    assert next(csv.reader([blast]))[11] in ids
    assert not ids & set(found["id"])


def test_rejected_rows_are_kept_in_full(settings):
    settings = dataclasses.replace(settings, max_rejected_share=0.5)
    lines = sample_lines()
    bad = [changed(lines[1], latitude="north"), "a,b", changed(lines[2], mag="99", depth="deep")]
    put_raw(settings, "\n".join(lines) + "\n", "\n".join([lines[0], *bad, ""]))
    assert transform(settings)["rejected"] == 3
    assert [(row["file"], row["line"], row["row"]) for row in rejected(settings)] == [
        ("0001-of-0002.csv", line, text) for line, text in enumerate(bad, 2)
    ]
    assert rejected(settings)[2]["reason"] == "depth 'deep' is not a number; mag '99' is outside -5 to 10"


def test_many_small_slices_are_worked_on_together(settings, monkeypatch):
    """Each reject has its own file and line all the same."""
    settings = dataclasses.replace(settings, max_rejected_share=0.5)
    pieces, conform = [], contract.conform
    monkeypatch.setattr(
        contract, "conform", lambda data, piece, *rest: pieces.append(piece) or conform(data, piece, *rest)
    )
    header, *rows = sample_lines()
    rows[100] = changed(rows[100], latitude="north")
    put_raw(settings, *("\n".join([header, row, ""]) for row in rows))
    assert transform(settings)["rejected"] == 1
    ((file, line, row),) = [(each["file"], each["line"], each["row"]) for each in rejected(settings)]
    assert (file, line, row) == ("0100-of-0231.csv", 2, rows[100])
    assert [len(piece.lines) for piece in pieces] == [231]


def test_too_many_rejects_fail_and_leave_the_last_good_day(settings):
    lines = sample_lines()
    put_raw(settings, *in_slices(lines, 2))
    transform(settings)
    before = files(settings)
    put_raw(settings, "\n".join([*lines, *(changed(line, latitude="north") for line in lines[1:100]), ""]))
    with pytest.raises(Permanent, match=r"latitude is not a number: 99 rows .north, north, north"):
        transform(settings)
    after = files(settings)
    assert without_raw(before).items() <= without_raw(after).items()


def without_raw(files):
    return {path: content for path, content in files.items() if not path.startswith("raw")}


@pytest.mark.parametrize("rows", [0, 1, 111])
def test_a_good_day_is_not_replaced_by_a_much_smaller_one(settings, rows):
    """An answer like {"rows": [], "error": ...}, or a lone header."""
    put_raw(settings, *in_slices(sample_lines(), 2))
    assert transform(settings)["read"] == 231
    before = without_raw(files(settings))
    put_raw(settings, *in_slices(sample_lines()[: rows + 1], 2))
    words = rf"has {rows} rows, less than 116 .min_share=0.5.: the published day with 231 rows stays.*param accept"
    with pytest.raises(Permanent, match=words):
        transform(settings)
    assert without_raw(files(settings)) == before
    assert transform(settings, dataclasses.replace(EARTHQUAKES, min_share=0))["read"] == rows
    put_raw(settings, *in_slices(sample_lines(), 2))
    transform(settings)
    put_raw(settings, *in_slices(sample_lines()[: rows + 1], 2))
    assert transform(settings, accept=True)["read"] == rows


def test_a_first_day_below_the_floor_of_rows_is_not_published(settings):
    dataset = dataclasses.replace(EARTHQUAKES, min_rows=232)
    put_raw(settings, *in_slices(sample_lines(), 2))
    with pytest.raises(Permanent, match=r"has 231 rows, less than 232 .min_rows=232.: nothing is published"):
        transform(settings, dataset)
    assert not without_raw(files(settings))
    assert transform(settings, dataset, accept=True)["read"] == 231


def test_duplicates_and_rejects_are_no_rows_of_a_day(settings):
    header, *rows = sample_lines()
    put_raw(settings, *in_slices([header, *rows], 2))
    transform(settings)
    put_raw(settings, *in_slices([header, *(rows[0] for row in rows)], 2))
    with pytest.raises(Permanent, match="has 1 rows, less than 116"):
        transform(settings)


def failed(settings):
    """The path of what is kept of a failed run."""
    return f"{root(settings)}/failed/earthquakes/partition_date={DAY}/earthquakes.jsonl"


def test_the_rejected_rows_of_a_failed_day_are_kept_and_named(settings):
    lines = sample_lines()
    put_raw(settings, *in_slices(lines, 2))
    transform(settings)
    published = rejected(settings)
    bad = [changed(line, latitude="north") for line in lines[1:100]]
    put_raw(settings, "\n".join([*lines, *bad, ""]))
    with pytest.raises(Permanent, match=re.escape(f"All rejected rows: file://{failed(settings)}")):
        transform(settings)
    kept = [json.loads(line) for line in Path(failed(settings)).read_text().splitlines()]
    assert [row["row"] for row in kept] == bad
    assert rejected(settings) == published
    put_raw(settings, *in_slices(lines, 2))
    transform(settings)
    assert not Path(failed(settings)).exists()


TOTAL = Column("total", "number", low=0, high=100)
NOTE = Column("note", "text", longest=5)
TWO = Dataset(
    "orders",
    (Column("id", "text"), Column("v", "integer"), Column("price", "number"), Column("pieces", "integer")),
    None,
    lambda frame: frame.assign(total=frame["price"] * frame["pieces"], note="n" * 4),
    (TOTAL, NOTE),
    rules={
        "the total is odd": lambda frame: frame["total"] % 2 == 1,
        "the total is 8": lambda frame: frame.total == 8,
        "the price is 7": lambda frame: frame["price"] == 7,
    },
    kind="events",
    key="id",
    newest="v",
    format="jsonl",
)


def test_rules_and_limits_see_derived_columns(settings):
    """Each row with its place and text, and a row that is rejected hides no older one of its key."""
    rows = [
        {"id": "a", "v": 1, "price": 2, "pieces": 2},
        {"id": "b", "v": 1, "price": 60, "pieces": 2},
        {"id": "c", "v": 1, "price": 3, "pieces": 1},
        {"id": "a", "v": 2, "price": 2, "pieces": 4},
        {"id": "d", "v": 1, "price": 7, "pieces": 1},
        {"id": "a", "v": 3, "price": 5, "pieces": 1},
    ]
    settings = dataclasses.replace(settings, max_rejected_share=1)
    counts = publish_rows(settings, TWO, DAY, *rows)
    assert counts == {"read": 6, "clean": 1, "duplicates": 0, "set_apart": 0, "rejected": 5}
    assert read("orders", DAY).to_dict("records") == [{**rows[0], "total": 4.0, "note": "nnnn"}]
    (path,) = glob.glob(f"{root(settings)}/rejected/orders/*/orders.jsonl")
    kept = [json.loads(line) for line in Path(path).read_text().splitlines()]
    assert [(row["line"], row["reason"], json.loads(row["row"])) for row in kept] == [
        (2, "total '120.0' is outside 0 to 100", rows[1]),
        (3, "the total is odd", rows[2]),
        (4, "the total is 8", rows[3]),
        (5, "the price is 7", rows[4]),
        (6, "the total is odd", rows[5]),
    ]
    turned = dataclasses.replace(TWO, clean=lambda frame: TWO.clean(frame).sort_values("price", ascending=False))
    assert publish_rows(settings, turned, DAY, *rows) == counts
    assert [json.loads(line)["line"] for line in Path(path).read_text().splitlines()] == [2, 3, 4, 5, 6]
    longer = dataclasses.replace(TWO, clean=lambda frame: TWO.clean(frame).assign(note="n" * 6))
    assert publish_rows(settings, dataclasses.replace(longer, min_share=0), DAY, *rows)["rejected"] == 6


def test_a_rule_that_fails_says_its_own_error(settings):
    broken = dataclasses.replace(TWO, rules={"x": lambda frame: frame["totl"] > 1})
    with pytest.raises(KeyError, match="totl"):
        publish_rows(settings, broken, DAY, {"id": "a", "v": 1, "price": 2, "pieces": 2})


def test_fewer_slices_leave_no_stale_file(settings):
    for count in (7, 3, 7):
        extract(settings, count)
        names = sorted(path.name for path in Path(root(settings), RAW).glob("*"))
        slices = [f"{n:04d}-of-{count:04d}" for n in range(count)]
        assert [name.split(".")[0] for name in names] == [*slices, "manifest"]
        assert list(raw_sizes(settings)) == names[:-1]


def test_a_transform_in_the_middle_of_an_extract_takes_the_old_day(settings):
    extract(settings, 4)
    transform(settings)
    before = events(settings)
    parts = steps.plan(EARTHQUAKES, [DAY], 3)
    empty = dataclasses.replace(EARTHQUAKES, fetch=lambda start, end, sink: None)
    fetched = []
    for part in parts[:2]:
        fetched.append(steps.fetch(empty, part, settings))
        transform(settings)
        assert events(settings).equals(before)
    fetched.append(steps.fetch(empty, parts[2], settings))
    steps.publish(empty, fetched, settings)
    assert transform(settings, accept=True)["read"] == 0


def test_a_day_of_which_a_part_is_missing_is_not_transformed(settings):
    for part in steps.plan(EARTHQUAKES, [DAY], 4)[1:]:
        steps.fetch(EARTHQUAKES, part, settings)
    with pytest.raises(NoSuchDay, match="has files of an extract that has not ended"):
        transform(settings)


def test_a_day_is_never_mixed_of_two_runs(settings):
    """As many slices as before, one of which fails: a row that has moved to another slice meanwhile is not lost."""
    extract(settings, 4)
    assert transform(settings)["clean"] == 224
    parts = steps.plan(EARTHQUAKES, [DAY], 4)
    empty = dataclasses.replace(EARTHQUAKES, fetch=lambda start, end, sink: None)
    for part in parts[:3]:
        steps.fetch(empty, part, settings)
    assert transform(settings)["clean"] == 224
    extract(settings, 4, dataset=empty)
    assert transform(settings, accept=True)["read"] == 0


@pytest.mark.parametrize("slices", [2, 4])
def test_two_extracts_of_a_day_at_once(settings, slices):
    """Whoever started last has the day, whole; the other one says so."""
    four, other = steps.plan(EARTHQUAKES, [DAY], 4), steps.plan(EARTHQUAKES, [DAY], slices)
    older = [steps.fetch(EARTHQUAKES, part, settings) for part in four[:3]]
    time.sleep(0.002)
    newer = [steps.fetch(EARTHQUAKES, other[0], settings)]
    older.append(steps.fetch(EARTHQUAKES, four[3], settings))
    steps.publish(EARTHQUAKES, older, settings)
    assert transform(settings)["read"] == 231
    newer += [steps.fetch(EARTHQUAKES, part, settings) for part in other[1:]]
    steps.publish(EARTHQUAKES, newer, settings)
    assert list(raw_sizes(settings)) == [file["file"] for file in newer]
    assert transform(settings)["read"] == 231
    with pytest.raises(Permanent, match=r"another run has fetched it since. That day stays"):
        steps.publish(EARTHQUAKES, older, settings)
    assert transform(settings)["read"] == 231


def test_what_a_killed_extract_has_left_goes_after_a_day(settings, monkeypatch):
    steps.fetch(EARTHQUAKES, steps.plan(EARTHQUAKES, [DAY], 4)[0], settings)
    for hours, files_there in ((0, 5), (25, 4)):
        later = datetime.now(UTC) + timedelta(hours=hours)
        monkeypatch.setattr(steps, "now", lambda later=later: later)
        extract(settings, 4)
        assert len(list(Path(root(settings), RAW).glob("*.csv"))) == files_there


def test_a_raw_day_from_before_there_were_manifests(settings):
    put_raw(settings, *in_slices(sample_lines(), 3))
    assert transform(settings)["read"] == 231
    steps.fetch(EARTHQUAKES, steps.plan(EARTHQUAKES, [DAY], 3)[0], settings)
    assert transform(settings)["read"] == 231, "the new one has not ended"
    extract(settings, 3)
    assert transform(settings)["read"] == 231
    assert not list(Path(root(settings), RAW).glob("*-of-0003.csv")), "the old files are gone"


def test_a_raw_file_that_somebody_removed_or_cut(settings):
    extract(settings, 2)
    path = next(Path(root(settings), RAW).glob("*.csv"))
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(NoSuchDay, match=r"has not all of its raw files in .*: run extract"):
        transform(settings)
    path.unlink()
    with pytest.raises(NoSuchDay, match="has not all of its raw files"):
        transform(settings)


def test_clearing_any_task_does_its_work_again(settings):
    parts = steps.plan(EARTHQUAKES, [DAY], 4)
    fetched = [steps.fetch(EARTHQUAKES, part, settings) for part in parts]
    steps.publish(EARTHQUAKES, fetched, settings)
    transform(settings)
    before = without_ids(files(settings))
    for path in Path(root(settings)).rglob("*.*"):
        if path.name in (fetched[2]["file"], "earthquakes.parquet", "earthquakes.jsonl"):
            path.write_bytes(b"damaged")
    fetched[2] = steps.fetch(EARTHQUAKES, parts[2], settings)
    steps.publish(EARTHQUAKES, fetched, settings)
    transform(settings)
    assert without_ids(files(settings)) == before


def test_a_stalled_transform_that_wakes_up_late_repairs_what_it_overwrites(settings, monkeypatch):
    """It read the raw day before it was fetched anew, and writes after the run that followed."""
    lines = sample_lines()
    put_raw(settings, *in_slices(lines[:200], 3))
    true, reads = contract._good_rows, []

    def stalls(*arguments):
        result = true(*arguments)
        reads.append(result[1])
        if len(reads) == 1:
            put_raw(settings, *in_slices(lines, 2))
            monkeypatch.setattr(contract, "_good_rows", true)
            assert transform(settings)["read"] == 231
            monkeypatch.setattr(contract, "_good_rows", stalls)
        return result

    monkeypatch.setattr(contract, "_good_rows", stalls)
    assert transform(settings)["read"] == 231
    assert reads == [199, 231]
    assert len(events(settings)) == 224


class Crash(BaseException):
    """Stands for the death of the process: nothing but `finally` blocks runs after it."""


@pytest.mark.parametrize("call", range(7))
@pytest.mark.parametrize("step", ["replace", "fsync"])
def test_a_crash_anywhere_leaves_the_old_day_or_the_new_one(settings, monkeypatch, step, call):
    lines = sample_lines()
    put_raw(settings, *in_slices(lines[:100], 3))
    transform(settings)
    old = len(events(settings))
    true, calls = getattr(os, step), []

    def crashing(*arguments):
        calls.append(arguments)
        if len(calls) == call + 1:
            raise Crash
        return true(*arguments)

    with monkeypatch.context() as patch, contextlib.suppress(Crash):
        patch.setattr(store.os, step, crashing)
        extract(settings, 3)
        transform(settings)
    assert len(calls) == call + 1
    assert len(events(settings)) == old
    extract(settings, 3)
    transform(settings)
    assert len(events(settings)) == 224
    assert not [name for name in files(settings) if name.endswith(".part")]


def test_what_a_killed_process_has_left_is_no_data_and_goes_after_a_day(settings):
    extract(settings)
    transform(settings)
    above = str(Path(CLEAN).parent)
    left = [Path(root(settings), place, ".x.parquet.1.part") for place in (RAW, CLEAN, above)]
    for path in left:
        path.write_bytes(b"half")
    transform(settings)
    assert len(pd.read_parquet(f"{root(settings)}/{CLEAN}")) == 224
    assert all(path.exists() for path in left), "its writer may be at work"
    yesterday = time.time() - store.DRAFTS_KEPT - 1
    for path in left:
        os.utime(path, (yesterday, yesterday))
    extract(settings)
    transform(settings)
    assert not any(path.exists() for path in left)


def test_a_day_that_the_source_does_not_have_leaves_no_folder(settings):
    with pytest.raises(NoSuchDay):
        extract(settings, day="2026-01-31")
    assert not [path for path in Path(root(settings)).rglob("*") if "partition_date" in path.name]


def test_a_day_that_is_not_there(settings, monkeypatch):
    monkeypatch.setenv("ETL_DATA_ROOT", settings.data_root)
    with pytest.raises(NoSuchDay, match=r"has no raw data in .*: run extract"):
        transform(settings)
    with pytest.raises(NoSuchDay, match="run extract"):
        read("earthquakes", DAY)
    with pytest.raises(NoSuchDay, match=r"2018-02-03\. For any other day set ETL_SOURCE=usgs"):
        extract(settings, day="2018-02-07")
    with pytest.raises(Permanent, match="'2018-2-1' is not a day"):
        steps.plan(EARTHQUAKES, ["2018-2-1"], 1)


def test_a_target_that_cannot_be_written_says_so(settings, tmp_path):
    (tmp_path / "data").write_text("a file where the folder should be")
    with pytest.raises(OSError, match="data"):
        extract(settings)


@pytest.fixture
def room_for():
    """Return a function: with room_for(n), no file grows beyond n bytes; the system itself refuses."""
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)

    @contextlib.contextmanager
    def limit(size):
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, unlimited[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)

    return limit


def test_a_disk_that_is_full_leaves_the_old_day_and_no_scraps(settings, room_for):
    """The next run, when there is room again, is as if nothing had been."""
    lines = sample_lines()
    put_raw(settings, "\n".join([*lines, changed(lines[1], latitude="north"), ""]))
    transform(settings)
    before = files(settings)
    for size in (10, 1_000, 20_000):  # in the rejects, in what is set apart, in the clean file
        with room_for(size), pytest.raises(OSError, match="File too large"):
            transform(settings)
        with room_for(size), pytest.raises(OSError, match="File too large"):
            extract(settings, 1)
        assert files(settings) == before
    transform(settings)
    assert files(settings) == before


def test_clean_gets_what_a_notebook_has(settings):
    """A day with a missing text: conditions on it hold or not, as for pandas' own."""

    def clean(frame):
        pd.testing.assert_frame_equal(frame, frame_of(dataset, rows))
        return frame.assign(is_a=np.where(frame.id == "a", "yes", "no"), upper=frame.apply(lambda r: str(r.id), axis=1))

    derived = (Column("is_a", "text"), Column("upper", "text"))
    dataset = Dataset("orders", KINDS_OF_COLUMNS, None, clean, derived, kind="events", format="jsonl")
    rows = [BIG, NOTHING]
    publish_rows(settings, dataset, DAY, *rows)
    assert read("orders", DAY)["is_a"].to_list() == ["yes", "no"]
    assert frame_of(dataset, [{"n": 3}])["n"].to_list() == [3]
    with pytest.raises(ValueError, match="n 'x' is not a whole number"):
        frame_of(dataset, [{"n": 1}, {"n": "x"}])


def test_clean_must_keep_the_rows_and_bring_the_columns(settings):
    extract(settings)

    def with_clean(clean):
        return dataclasses.replace(EARTHQUAKES, clean=clean)

    with pytest.raises(Permanent, match=r"clean\(\) returned 7 of 231 rows: use Dataset.rules"):
        transform(settings, with_clean(lambda frame: EARTHQUAKES.clean(frame[frame["type"] != "earthquake"].copy())))
    with pytest.raises(Permanent, match=r"clean\(\) returned nothing: end it with `return frame`"):
        transform(settings, with_clean(lambda frame: None))
    with pytest.raises(Permanent, match=r"clean\(\) returns no column magnitude_class"):
        transform(settings, with_clean(lambda frame: frame))
    with pytest.raises(Permanent, match=r"clean\(\) returns a mag that is no double"):
        transform(settings, with_clean(lambda frame: EARTHQUAKES.clean(frame).assign(mag="strong")))
    with pytest.raises(Permanent, match=r"rows without net, which is not nullable"):
        transform(settings, with_clean(lambda frame: EARTHQUAKES.clean(frame).assign(net=None)))
    assert not Path(root(settings), "clean").exists() or not list(Path(root(settings), "clean").rglob("*.*"))


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("ETL_MAX_REJECTED_SHARE", "5%", "a number from 0 to 1"),
        ("ETL_DATA_ROOT", "/data", "a URL, like file:///data"),
    ],
)
def test_a_setting_that_is_wrong_is_named(name, value, words):
    with pytest.raises(ValueError, match=f"{name} is .*{words}"):
        load({name: value})


def prices(fetch, kind="snapshot", **more):
    columns = (Column("id", "text", nullable=False), Column("price", "number"))
    return Dataset("prices", columns, fetch, kind=kind, **more)


@pytest.mark.parametrize("cut", [0, 30])
def test_a_packed_file_is_kept_as_it_was_sent(settings, cut):
    content = gzip.compress("id;price\na;1,5\n".encode("utf-16"))
    content = content[: len(content) - cut]
    form = Csv(delimiter=";", decimal=",", encoding="utf-16")
    dataset = prices(lambda start, end, sink: sink.write(content), kind="events", format=form)
    if cut:
        with pytest.raises(Permanent, match=r"What was fetched cannot be read: .*end-of-stream"):
            extract(settings, 1, DAY, dataset)
        return
    extract(settings, 1, DAY, dataset)
    (path,) = glob.glob(f"{root(settings)}/raw/prices/*/*.csv")
    assert Path(path).read_bytes() == content
    assert transform(settings, dataset)["clean"] == 1
    assert read("prices", DAY)["price"].to_list() == [1.5]
    digests = json.loads(pq.read_schema(next(Path(root(settings)).glob("clean/*/*/*.parquet"))).metadata[b"raw_sha256"])
    assert list(digests.values()) == [hashlib.sha256(content).hexdigest()]


ODD = pd.DataFrame(
    {
        "id": ["007", None, "c", ""],
        "n": [1.0, None, 9007199254740991, 1.5],
        "x": [0.1, None, 1e300, -0.0],
        "ok": [True, None, False, True],
        "on": pd.to_datetime([DAY, None, DAY, DAY]).date,
        "at": pd.to_datetime([f"{DAY}T12:00:00.123+01:00", None, *[f"{DAY}T00:00:00.000+01:00"] * 2]),
        "more": [{}, 1, "x", None],
    }
)


def test_any_other_format_is_a_function(settings):
    """The file as it was sent, and of it what the function makes; the same contract as for text."""
    settings = dataclasses.replace(settings, max_rejected_share=1)
    sent = ODD.drop(columns="more").to_parquet()

    def tables(file):
        frame = pd.read_parquet(file)
        yield frame[:2]
        yield frame[2:].assign(id=[3, "x"])  # numbers beside texts, as Excel has them

    dataset = Dataset("odd", KINDS_OF_COLUMNS, lambda start, end: [sent], kind="events", format=tables)
    extract(settings, 1, DAY, dataset)
    (path,) = Path(root(settings)).glob("raw/odd/*/*.bin")
    assert path.read_bytes() == sent
    assert transform(settings, dataset) == {"read": 4, "clean": 3, "duplicates": 0, "set_apart": 0, "rejected": 1}
    frame = read("odd", DAY)
    assert frame["id"].fillna("").to_list() == ["007", "", "3"]
    assert frame["n"].to_list() == [1, pd.NA, 9007199254740991]
    assert frame["x"].fillna(0).to_list() == [0.1, 0, 1e300]
    assert frame["at"][0].isoformat() == "2018-02-01T11:00:00.123000+00:00"
    (kept,) = Path(root(settings)).glob("rejected/odd/*/odd.jsonl")
    row = json.loads(kept.read_text())
    assert (row["line"], row["reason"], json.loads(row["row"])["n"]) == (4, "n '1.5' is not a whole number", 1.5)
    lacking = dataclasses.replace(dataset, format=lambda file: [pd.read_parquet(file).drop(columns="x")])
    with pytest.raises(Permanent, match=r"What format.. yields lacks the columns x"):
        transform(settings, lacking)


@pytest.mark.parametrize(
    ("moved", "rejected"),
    [
        (lambda frame: frame.sort_values("price", ascending=False), 1),
        (lambda frame: frame.merge(pd.DataFrame({"price": [1.0], "more": [2]}), how="left"), 1),
        (lambda frame: frame.sort_values("price", ascending=False).reset_index(drop=True), None),
        (lambda frame: frame.sort_values("price", ascending=False, ignore_index=True), None),
    ],
)
def test_the_row_that_breaks_a_limit_is_the_one_that_is_rejected(settings, moved, rejected):
    """Where clean() moves rows and loses their index, others would be rejected in its place."""
    rows = [{"id": f"x{n}", "price": 1000 if n == 3 else n} for n in range(100)]
    limited = {"derived": (Column("double", "number", high=1999),), "kind": "events", "key": "id", "format": "jsonl"}
    dataset = prices(lambda start, end: rows, clean=lambda f: moved(f.assign(double=f["price"] * 2)), **limited)
    extract(settings, 1, DAY, dataset)
    if rejected is None:
        with pytest.raises(Permanent, match=r"clean\(\) moves rows and resets their index"):
            transform(settings, dataset)
        return
    assert transform(settings, dataset)["rejected"] == rejected
    assert {f"x{n}" for n in range(100)} - set(read("prices", DAY)["id"]) == {"x3"}


def test_a_date_of_a_frame_is_its_midnight(settings):
    """As Excel and pandas have dates; and what is nested stays JSON, however long it is."""
    table = pd.DataFrame({"day": pd.to_datetime([DAY, None]), "tags": [list(range(2_000)), None]})
    columns = (Column("day", "date"), Column("tags", "text", longest=20_000))
    for sent in (table, table.astype(object).where(table.notna(), pd.NA), table.assign(day=[f"{DAY} 00:00:00", None])):
        dataset = Dataset("odd", columns, lambda start, end: b"x", kind="events", format=lambda file, sent=sent: sent)
        extract(settings, 1, DAY, dataset)
        assert transform(settings, dataset)["clean"] == 2
        found = read("odd", DAY)
        assert found["day"].astype(str).to_list()[0] == DAY
        assert json.loads(found["tags"][0]) == list(range(2_000))
        assert found.isna().to_numpy().tolist() == [[False, False], [True, True]]


@pytest.mark.parametrize("made", [None, {"a": pd.DataFrame()}, ["a"]])
def test_a_format_that_makes_no_frames_is_named(settings, made):
    dataset = prices(lambda start, end: b"x", kind="events", format=lambda file: made)
    extract(settings, 1, DAY, dataset)
    with pytest.raises(Permanent, match=r"format\(\) of prices yields a (NoneType|str): yield DataFrames"):
        transform(settings, dataset)


@pytest.mark.parametrize(
    ("form", "yielded"),
    [("csv", "id,price\n"), ("csv", {"id": "a"}), ("jsonl", "{}"), ("jsonl", pd.DataFrame())],
)
def test_a_fetch_that_yields_something_else_is_named(settings, form, yielded):
    dataset = prices(lambda start, end: [yielded], kind="events", format=form)
    with pytest.raises(Permanent, match=f"fetch.* of prices yields a {type(yielded).__name__}: yield bytes"):
        extract(settings, 1, DAY, dataset)


@pytest.mark.parametrize(("zone", "missing"), [("UTC", 60), ("Europe/Berlin", 0)])
def test_days_of_another_zone_are_not_published(settings, zone, missing):
    """The 60 minutes of the evening that are missing would be as many as those of other days that are too much."""
    berlin = [{"at": f"{DAY} {minute // 60:02d}:{minute % 60:02d}"} for minute in range(1440)]
    columns = (Column("at", "timestamp", zone="Europe/Berlin"),)
    dataset = Dataset("till", columns, lambda start, end: berlin, kind="events", time="at", zone=zone, format="jsonl")
    extract(settings, 1, DAY, dataset)
    if missing:
        with pytest.raises(Permanent, match=r"60 of 1440 rows are of other days, more than 1%.* Is zone='UTC' that"):
            transform(settings, dataset)
        berlin = [*berlin[60:], {"at": "2018-02-02 01:00"}]  # the end of the day itself may come, too
        extract(settings, 1, DAY, dataset)
    assert transform(settings, dataset)["clean"] == 1440 - missing


def test_bytes_of_a_database_are_hex_digits(settings):
    rows = [{"id": bytes([0, 255])}, {"id": memoryview(b"ab")}, {"id": bytearray(b"c")}]
    dataset = prices(lambda start, end: [dict(row, price=1) for row in rows], kind="events", format="jsonl")
    extract(settings, 1, DAY, dataset)
    transform(settings, dataset)
    assert read("prices", DAY)["id"].to_list() == ["00ff", "6162", "63"]


def test_a_fetch_of_any_arguments_yields_rows(settings):
    """A stub like `lambda *times: rows` asks for no sink."""
    dataset = prices(lambda *times: [{"id": "a", "price": 1}], kind="events", format="jsonl")
    (part,) = steps.plan(dataset, [DAY], 1)
    assert steps.fetch(dataset, part, settings)["bytes"] > 0


def test_fetch_yields_rows_or_bytes(settings):
    def fetch(start, end):
        yield {"id": "a", "price": Decimal("1.50")}
        yield b'{"id": "b", "price": 2}\n'
        yield {"id": start, "price": None}

    dataset = prices(fetch, kind="events", format="jsonl")
    extract(settings, 1, DAY, dataset)
    transform(settings, dataset)
    assert read("prices", DAY).fillna(0).to_numpy().tolist() == [["a", 1.5], ["b", 2], ["2018-02-01 00:00:00+00:00", 0]]
    with pytest.raises(Permanent, match=r"fetch.. of prices returns nothing"):
        extract(settings, 1, DAY, dataclasses.replace(dataset, fetch=lambda start, end: None))
    now = dataclasses.replace(dataset, kind="snapshot", fetch=lambda: [{"id": "a", "price": 1}])
    extract(settings, 1, (datetime.now(UTC) - timedelta(days=1)).date().isoformat(), now)


def json_lines(rows):
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def test_a_key_that_is_renamed_within_a_day_is_missing_where_every_row_must_have_it(settings):
    """Whether the source leaves it out, as for what is empty, or calls it otherwise, nobody can tell."""
    rows = [{"id": str(n), "price" if n < 100 else "unit_price": 1.5} for n in range(300)]
    dataset = prices(lambda start, end: rows, kind="events", format="jsonl")
    extract(settings, 1, DAY, dataset)
    assert transform(settings, dataset)["clean"] == 300
    assert read("prices", DAY)["price"].isna().sum() == 200
    columns = (dataset.columns[0], dataclasses.replace(dataset.columns[1], nullable=False))
    said = r"200 of 300 rows are rejected.* price is missing: 200 rows \(\{\"id\": \"100\", \"unit_price\": 1.5\}"
    with pytest.raises(Permanent, match=said):
        transform(settings, dataclasses.replace(dataset, columns=columns))


def test_a_column_that_is_renamed_fails_the_day_in_json_too(settings):
    rows = [{"id": str(n), "price": None if n else 1.5} for n in range(100)]
    dataset = prices(lambda start, end, sink: sink.write(json_lines(rows)), kind="events", format="jsonl")
    extract(settings, 2, DAY, dataset)
    assert transform(settings, dataset)["clean"] == 200, "a row need not have every column"
    before = without_raw(files(settings))
    rows = [{"id": row["id"], "unit_price": 1.5} for row in rows]
    extract(settings, 2, DAY, dataset)
    with pytest.raises(Permanent, match="prices of 2018-02-01 lacks the columns price; there are unit_price"):
        transform(settings, dataset)
    assert without_raw(files(settings)) == before
    optional = tuple(dataclasses.replace(column, optional=True) for column in dataset.columns)
    transform(settings, dataclasses.replace(dataset, columns=optional))
    rows = [{}]
    extract(settings, 2, DAY, dataset)
    with pytest.raises(Permanent, match="lacks the columns id, price; there are no others"):
        transform(settings, dataset)
    rows = []
    extract(settings, 2, DAY, dataset)
    assert transform(settings, dataset, accept=True)["clean"] == 0, "no row, no contract to break"


def test_a_row_without_its_time_belongs_to_no_day(settings):
    columns = (Column("id", "text"), Column("at", "timestamp"))
    rows = [{"id": "a", "at": f"{DAY}T00:00:00Z"}, {"id": "b"}, {"id": "c", "at": ""}]
    dataset = Dataset(
        "prices",
        columns,
        lambda start, end, sink: sink.write(json_lines(rows)),
        kind="events",
        time="at",
        format="jsonl",
    )
    extract(settings, 1, DAY, dataset)
    counts = transform(dataclasses.replace(settings, max_rejected_share=1), dataset)
    assert (counts["clean"], counts["rejected"]) == (1, 2)
    with pytest.raises(ValueError, match="time='id', which is no timestamp"):
        dataclasses.replace(dataset, time="id")


@pytest.mark.parametrize(("day", "hours"), [("2018-03-25", 23), ("2018-10-28", 25), (DAY, 24)])
def test_a_file_of_a_local_day_loses_no_row(settings, day, hours):
    """Of a Berlin day every minute is in it, and the minutes before and after are not."""
    start = datetime.fromisoformat(day).replace(tzinfo=ZoneInfo("Europe/Berlin")).astimezone(UTC)
    minutes = [start + timedelta(minutes=n) for n in range(-1, 60 * hours + 1)]
    berlin = [minute.astimezone(ZoneInfo("Europe/Berlin")).isoformat() for minute in minutes]
    dataset = Dataset(
        "meter",
        (Column("at", "timestamp"),),
        lambda start, end, sink: sink.write(json_lines({"at": at} for at in berlin)),
        kind="events",
        time="at",
        format="jsonl",
        zone="Europe/Berlin",
    )
    extract(settings, 1, day, dataset)
    counts = steps.transform(dataset, day, settings)
    assert (counts["clean"], counts["rejected"]) == (60 * hours, 2)
    (path,) = glob.glob(f"{root(settings)}/rejected/*/*/meter.jsonl")
    reasons = [json.loads(line)["reason"] for line in Path(path).read_text().splitlines()]
    assert all(f"is outside the day {day} (Europe/Berlin)" in reason for reason in reasons)
    with pytest.raises(Permanent, match=f"can be cut into 1 to {60 * hours} slices"):
        steps.plan(dataset, [day], 60 * hours + 1)


def at(monkeypatch, *moment):
    monkeypatch.setattr(steps, "now", lambda: datetime(*moment, tzinfo=UTC))


def test_a_run_of_an_old_day_does_not_overwrite_a_snapshot(settings, monkeypatch):
    """A price list without dates: what the source says today is not what it said then."""
    dataset = prices(lambda sink: sink.write(b"id,price\na,1\n"))
    # A try by day, the nightly run, and one by day for today.
    for moment, day in (
        ((2018, 2, 21, 15), "2018-02-21"),
        ((2018, 2, 22, 0), "2018-02-21"),
        ((2018, 2, 22, 12), "2018-02-22"),
    ):
        at(monkeypatch, *moment)
        extract(settings, 1, day, dataset)
    before, dataset = files(settings), prices(lambda sink: sink.write(b"id,price\na,8\n"))
    with pytest.raises(Permanent, match=r"prices of 2018-02-21 is refused: .* was fetched at 2018-02-22 00:00 UTC"):
        extract(settings, 1, "2018-02-21", dataset)
    at(monkeypatch, 2018, 2, 28, 0, 1)
    for day in ("2018-02-20", "2018-02-21", "2018-02-22", "2018-03-01"):
        with pytest.raises(Permanent, match=rf"prices of {day} is refused: .* is of another moment"):
            extract(settings, 1, day, dataset)
    assert files(settings) == before
    extract(settings, 1, "2018-02-27", dataset)
    with pytest.raises(Permanent, match="a snapshot, which has no time slices"):
        steps.plan(dataset, ["2018-02-28"], 2)


def test_changes_of_an_old_day_are_not_asked_for_again(settings, monkeypatch):
    dataset = prices(lambda start, end, sink: sink.write(b"id,price\n"), kind="changes")
    at(monkeypatch, 2018, 2, 28, 0, 1)
    extract(settings, 4, "2018-02-27", dataset)
    extract(settings, 4, "2018-02-21", dataset)  # a night that failed: better late than never
    for day in ("2018-02-27", "2018-02-21"):
        with pytest.raises(Permanent, match=rf"{day} is refused: .* lacks what has changed again since .*stays"):
            extract(settings, 4, day, dataset)


@pytest.mark.parametrize(
    ("slip", "words"),
    [
        ({"kind": ""}, "does not say its kind: events, changes, snapshot"),
        ({"kind": "prices"}, "knows no kind 'prices', only events, changes, snapshot"),
        ({"refetch": (7,)}, "has refetch, but the past of snapshot cannot be asked for"),
        ({"min_share": 50}, "has min_rows=0, min_share=50: .* a share from 0 to 1"),
        ({"min_rows": -1}, "has min_rows=-1"),
        ({"name": "a/../b"}, "'a/../b' is no name of a dataset"),
        ({"name": ""}, "'' is no name of a dataset"),
        ({"derived": (Column("partition_date", "date"),)}, "cannot have the column 'partition_date'"),
        ({"derived": (Column("price", "number"),)}, "cannot have the column 'price': it is twice"),
        ({"zone": "Berlin"}, "has zone='Berlin': use a name like Europe/Berlin"),
        ({"zone": ""}, "has zone=''"),
        ({"kind": "events", "refetch": (0,)}, "has refetch=.0,.: use numbers of days"),
    ],
)
def test_a_dataset_says_what_its_source_can_be_asked_for(slip, words):
    good = {"name": "prices", "columns": prices(None).columns, "fetch": None, "kind": "snapshot"}
    with pytest.raises(ValueError, match=words):
        Dataset(**{**good, **slip})
