"""A day's files: whole or absent, whoever writes, crashes, or does it twice."""

import contextlib
import csv
import dataclasses
import json
import resource
from pathlib import Path

import pytest

from << cookiecutter.__package >> import datasets, extracting, sample, transforming
from << cookiecutter.__package >>.contract import COLUMN_NAMES
from << cookiecutter.__package >>.errors import NoSuchDay, Permanent, Superseded
from << cookiecutter.__package >>.partition import Partition
from << cookiecutter.__package >>.store import Store

DAY = "2018-02-01"


def put_raw(settings, *slices, run="raw"):
    """Publish CSV contents as the day's raw partition, a slice each."""
    partition = datasets.raw(settings, DAY)
    partition.begin(run)
    entries = []
    for number, content in enumerate(slices):
        with partition.staging(run, "raw", f"slice-{number:04d}", ".csv") as staged:
            staged.sink.write(content.encode())
        entries.append({**staged.entry, "rows": content.count("\n") - 1})
    partition.publish(run, entries, {})


def transform(settings, run="run"):
    """What the DAG does, without Airflow; the numbers that publish returns."""
    parts = [
        transforming.clean_slice(settings, DAY, source, run)
        for source in transforming.plan(settings, DAY, run)
    ]
    return transforming.publish(settings, DAY, transforming.check(settings, DAY, parts, run), run)


def sample_lines():
    return (sample.FOLDER / f"{DAY}.csv").read_text().splitlines()


def in_slices(lines, count):
    header, *rows = lines
    return ["\n".join([header, *rows[i::count], ""]) for i in range(count)]


def changed(line, **values):
    row = dict(zip(COLUMN_NAMES, next(csv.reader([line])), strict=True)) | values
    return ",".join(f'"{cell}"' if "," in cell else cell for cell in row.values())


def files(settings):
    root = Path(settings.data_root.removeprefix("file://"))
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_a_record_that_moved_to_another_slice_is_counted_once(settings):
    lines = sample_lines()
    header, rows = lines[0], lines[1:]
    newer = [changed(row, updated="2018-03-01T00:00:00.000Z", mag="1.5") for row in rows[:50]]
    blast = changed(rows[60], updated="2018-03-01T00:00:00.000Z", type="quarry blast")
    put_raw(settings, "\n".join([header, *rows, ""]), "\n".join([header, *newer, blast, ""]))
    counts = transform(settings)
    assert (counts["read"], counts["duplicates"]) == (len(rows) + 51, 51)
    events = datasets.events(settings, DAY)
    assert events["id"].is_unique
    assert (events["updated"].dt.month == 3).sum() == sum(",earthquake," in row for row in newer)
    ids = set(datasets.events(settings, DAY, "set_apart")["id"])
    assert next(csv.reader([blast]))[11] in ids
    assert not ids & set(events["id"])


@pytest.mark.parametrize("count", [2, 5])
def test_the_events_do_not_depend_on_slices_or_order(settings, tmp_path, count):
    lines = [
        *sample_lines(),
        *(changed(line, updated="2018-03-01T00:00:00.000Z") for line in sample_lines()[1:30]),
    ]
    put_raw(settings, *in_slices(lines, 1))
    transform(settings)
    expected = datasets.events(settings, DAY)
    put_raw(settings, *in_slices([lines[0], *reversed(lines[1:])], count))
    transform(settings)
    got = datasets.events(settings, DAY).sort_values(["time", "id"], ignore_index=True)
    assert got.equals(expected)


def test_rejected_rows_are_kept_in_full(settings):
    settings = dataclasses.replace(settings, max_rejected_share=0.5)
    lines = sample_lines()
    bad = [changed(lines[1], latitude="north"), "a,b", changed(lines[2], mag="99", depth="deep")]
    put_raw(settings, "\n".join([*lines, *bad, ""]))
    counts = transform(settings)
    assert counts["rejected"] == 3
    partition = datasets.clean(settings, DAY)
    (entry,) = [entry for entry in partition.manifest()["files"] if entry["folder"] == "rejected"]
    rows = [json.loads(line) for line in partition.store.read(partition.path(entry)).splitlines()]
    assert [row["row"] for row in rows] == bad
    assert [row["line"] for row in rows] == [len(lines) + 1, len(lines) + 2, len(lines) + 3]
    assert {row["file"] for row in rows} == {datasets.raw(settings, DAY).manifest()["files"][0]["name"]}


def test_too_many_rejects_fail_and_leave_the_last_good_day(settings):
    lines = sample_lines()
    put_raw(settings, *in_slices(lines, 2))
    transform(settings)
    before = files(settings)
    put_raw(settings, "\n".join([*lines, *(changed(line, latitude="north") for line in lines[1:100]), ""]))
    with pytest.raises(Permanent, match=r"latitude is not a number: 99 rows .north, north, north"):
        transform(settings)
    after = files(settings)
    assert {n: c for n, c in after.items() if n[:5] == "clean"} == {
        n: c for n, c in before.items() if n[:5] == "clean"
    }


def test_fewer_slices_leave_no_stale_file(settings):
    for count in (7, 3):
        put_raw(settings, *in_slices(sample_lines(), count))
        transform(settings)
        for partition in (datasets.raw(settings, DAY), datasets.clean(settings, DAY)):
            named = {partition.path(entry) for entry in partition.manifest()["files"]} | {
                partition.manifest_path
            }
            there = {
                path
                for folder in partition.folders
                for path in partition.store.files(partition.folder(folder))
            }
            assert there == named
    assert len(datasets.raw(settings, DAY).manifest()["files"]) == 3


def test_late_revisions_win_and_are_counted(settings):
    lines = sample_lines()
    put_raw(settings, *in_slices(lines, 2))
    assert transform(settings)["new"] == 224
    assert transform(settings)["changed"] == 0
    earthquakes = [line for line in lines[1:] if ",earthquake," in line]
    later = [changed(line, updated="2018-02-20T00:00:00.000Z", mag="3.3") for line in earthquakes[:10]]
    later += [*earthquakes[10:-2], changed(earthquakes[0], id="late1")]
    put_raw(settings, *in_slices([lines[0], *later], 3))
    counts = transform(settings)
    assert (counts["new"], counts["changed"], counts["gone"]) == (1, 10, 2)
    assert (datasets.events(settings, DAY)["mag"] == 3.3).sum() == 10


def test_the_older_of_two_runs_gives_way(settings):
    put_raw(settings, *in_slices(sample_lines(), 2))
    sources = transforming.plan(settings, DAY, "first")
    first = [transforming.clean_slice(settings, DAY, sources[0], "first")]
    second = transform(settings, "second")
    expected = files(settings)
    with pytest.raises(Superseded):
        transforming.clean_slice(settings, DAY, sources[1], "first")
    with pytest.raises(Superseded):
        transforming.publish(settings, DAY, transforming.check(settings, DAY, first, "first"), "first")
    assert second["clean"] == 224
    assert {n: c for n, c in files(settings).items() if not n.startswith("staging")} == expected


def test_a_publish_that_is_repeated_changes_nothing(settings):
    put_raw(settings, *in_slices(sample_lines(), 2))
    parts = [
        transforming.clean_slice(settings, DAY, s, "run") for s in transforming.plan(settings, DAY, "run")
    ]
    checked = transforming.check(settings, DAY, parts, "run")
    transforming.publish(settings, DAY, checked, "run")
    before = files(settings)
    transforming.publish(settings, DAY, checked, "run")
    assert files(settings) == before


class Crash(BaseException):
    """Stands for the death of the process: nothing but `finally` blocks runs after it."""


@pytest.mark.parametrize("step", ["write", "move", "remove", "remove_folder"])
@pytest.mark.parametrize("call", [0, 1, 2, 5])
def test_a_crash_anywhere_leaves_the_old_day_or_the_new_one(settings, monkeypatch, step, call):
    lines = sample_lines()
    put_raw(settings, *in_slices(lines[:100], 3))
    transform(settings, "old")
    old = datasets.events(settings, DAY)
    put_raw(settings, *in_slices(lines, 2))

    true, calls = getattr(Store, step), []

    def crashing(self, *arguments):
        calls.append(arguments)
        if len(calls) == call + 1:
            raise Crash
        return true(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Store, step, crashing)
        try:
            transform(settings, "crashed")
        except Crash:
            pass
        else:
            assert len(calls) <= call
    seen = datasets.events(settings, DAY)
    assert len(seen) in (len(old), 224)

    transform(settings, "again")
    got = files(settings)
    assert not [name for name in got if name.startswith("staging/clean")]
    other = dataclasses.replace(settings, data_root=f"{settings.data_root}-undisturbed")
    put_raw(other, *in_slices(lines, 2))
    transform(other)
    assert got == files(other)


def test_extract_replaces_a_day_as_a_whole(settings):
    def extract(slices, run):
        chosen = extracting.plan(settings, DAY, slices, run)
        entries = [extracting.fetch(settings, DAY, part, run) for part in chosen]
        return extracting.publish(settings, DAY, entries, run)

    assert extract(4, "one")["rows"] == 231
    four = files(settings)
    chosen = extracting.plan(settings, DAY, 2, "crashes")
    extracting.fetch(settings, DAY, chosen[0], "crashes")
    assert {n: c for n, c in files(settings).items() if n.startswith("raw")} == four
    assert extract(4, "three") == extract(4, "four")
    assert files(settings) == four


def test_a_day_that_is_not_there(settings):
    with pytest.raises(NoSuchDay, match="run extract"):
        transforming.plan(settings, DAY, "run")
    with pytest.raises(NoSuchDay, match="run extract"):
        datasets.events(settings, DAY)
    with pytest.raises(NoSuchDay, match=r"2018-02-06\. For any other day set ETL_SOURCE=usgs"):
        extracting.plan(settings, "2018-02-07", 4, "run")


def test_a_reader_that_meets_a_publish_reads_again(settings, monkeypatch):
    put_raw(settings, *in_slices(sample_lines(), 2))
    transform(settings)
    true, old = Partition.manifest, {"files": [{"folder": "clean", "name": "gone.parquet"}]}
    answers = [old]
    monkeypatch.setattr(Partition, "manifest", lambda self: answers.pop() if answers else true(self))
    assert len(datasets.events(settings, DAY)) == 224


def test_a_target_that_cannot_be_written_says_so(settings, tmp_path):
    (tmp_path / "data").write_text("a file where the folder should be")
    with pytest.raises(OSError, match="data"):
        extracting.plan(settings, DAY, 4, "run")


def test_a_disk_that_is_full_leaves_the_old_day_and_no_scraps(settings, room_for):
    """The next run, when there is room again, is as if nothing had been."""
    put_raw(settings, "\n".join([*sample_lines(), ""]))
    transform(settings)
    before = files(settings)
    for size in (10, 1_000, 20_000):  # in the mark of ownership, in the summary, in the Parquet
        with room_for(size), pytest.raises(OSError, match="File too large"):
            transform(settings, run="unlucky")
        assert not [name for name in files(settings) if name.endswith(".part")]
        assert len(datasets.events(settings, DAY)) == 224
    transform(settings, run="lucky")
    assert files(settings) == before


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


def test_the_summary_lies_next_to_the_day(settings):
    lines = sample_lines()
    place = '<script>alert("1")</script>'
    put_raw(settings, "\n".join([lines[0], changed(lines[1], mag="9.9", place=place), *lines[2:], ""]))
    transform(settings)
    partition = datasets.clean(settings, DAY)
    found = {
        entry["name"].rpartition(".")[2]: partition.store.read(partition.path(entry)).decode()
        for entry in partition.manifest()["files"]
        if entry["folder"] == "summary"
    }
    summary = json.loads(found["json"])
    assert summary["counts"]["clean"] == sum(n for _, n in summary["magnitudes"]) == 224
    assert sum(n for *_, n in summary["map"]) == sum(summary["depth_class"].values()) == 224
    assert (summary["largest"][0]["mag"], summary["largest"][0]["place"]) == (9.9, place)
    assert found["html"].count("<circle") == len(summary["map"])
    assert "<script" not in found["html"]
