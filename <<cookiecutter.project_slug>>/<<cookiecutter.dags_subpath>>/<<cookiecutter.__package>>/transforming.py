"""The steps of transform. What a step returns goes through Airflow to the next one: small, JSON-ready."""

import contextlib
import logging
import time
from collections.abc import Iterable, Iterator

from << cookiecutter.__package >>.datasets import clean, raw
from << cookiecutter.__package >>.errors import NoSuchDay, Permanent, Superseded
from << cookiecutter.__package >>.partition import Partition
from << cookiecutter.__package >>.report import log_line
from << cookiecutter.__package >>.settings import Settings

log = logging.getLogger(__name__)

COUNTS = ("read", "clean", "duplicates", "set_apart", "rejected")
ROW_GROUP = 128 * 1024  # rows that are derived and written at once, less the duplicates


def plan(settings: Settings, day: str, run_id: str) -> list[dict]:
    """The raw files to clean; from now on this run owns the day's clean partition."""
    partition = raw(settings, day)
    if partition.manifest() is None:
        raise NoSuchDay(f"There is no raw data of {day} in {settings.data_root}: run extract for it first.")
    clean(settings, day).begin(run_id)
    # Only now: of two runs, the one that owns the clean partition has to read the newest raw day.
    return partition.manifest()["files"]


def clean_slice(settings: Settings, day: str, source: dict, run_id: str) -> dict:
    """Clean one raw file and stage the result.

    Returns counts (rows by COUNTS), files (entries of what was staged, with `rows`) and rules (broken by the
    rejected rows).
    """
    from << cookiecutter.__package >> import cleaning

    started = time.monotonic()
    partition = clean(settings, day)
    stem = source["name"].rpartition("-")[0]
    with partition.staging(run_id, "rejected", stem, ".jsonl") as rejected:
        events, read, rejects = _conforming(raw(settings, day), day, source, rejected.sink)
        if not rejects.rows:
            rejected.drop()
    valid = events.num_rows
    with (
        partition.staging(run_id, "clean", stem, ".parquet") as earthquakes,
        partition.staging(run_id, "set_apart", stem, ".parquet") as others,
        writer(earthquakes.sink) as write_earthquakes,
        writer(others.sink) as write_others,
    ):
        clean_rows = set_apart_rows = 0
        for batch in _newest(events):
            kept, apart = cleaning.split(batch)
            clean_rows += kept.num_rows
            set_apart_rows += apart.num_rows
            write_earthquakes(_derived(kept, settings.timezone))
            if apart.num_rows:
                write_others(_derived(apart, settings.timezone))
        if not set_apart_rows:
            others.drop()
    counts = {
        "read": read,
        "clean": clean_rows,
        "duplicates": valid - clean_rows - set_apart_rows,
        "set_apart": set_apart_rows,
        "rejected": rejects.rows,
    }
    files = [
        {**staged.entry, "rows": counts[staged.entry["folder"]]}
        for staged in (earthquakes, others, rejected)
        if not staged.sink.dropped
    ]
    log_line(log, "cleaned", day=day, file=source["name"], **counts, started=started)
    return {"counts": counts, "files": files, "rules": rejects.rules}


def _conforming(partition: Partition, day: str, source: dict, reject_sink):
    """The file's rows that keep the contract as one table, the number of rows read, and the RejectWriter."""
    import pyarrow as pa

    from << cookiecutter.__package >> import cleaning, reading
    from << cookiecutter.__package >>.rejects import RejectWriter

    rejects = RejectWriter(reject_sink, source["name"])
    read, tables = 0, [cleaning.TYPED.empty_table()]
    with _open(partition, source) as file:
        for piece in reading.pieces(file):
            read += piece.records
            tables.append(cleaning.conform(piece, day, rejects))
    return pa.concat_tables(tables), read, rejects


def _open(partition: Partition, source: dict):
    try:
        return partition.store.open(partition.path(source))
    except FileNotFoundError:
        if source in (partition.manifest() or {"files": []})["files"]:
            raise
        raise Superseded(f"{partition.day} was extracted anew: the run for that takes over.") from None


def _newest(events) -> Iterable:
    """The newest records in the order of time, in tables of up to ROW_GROUP rows; at least one."""
    import pyarrow as pa

    from << cookiecutter.__package >> import cleaning

    events = cleaning.in_order(events)
    keep = cleaning.newest(events)
    for start in range(0, max(events.num_rows, 1), ROW_GROUP):
        yield events.slice(start, ROW_GROUP).filter(pa.array(keep[start : start + ROW_GROUP]))


def _derived(events, timezone: str):
    """The table that is written: with the derived columns."""
    from << cookiecutter.__package >> import cleaning

    return cleaning.to_table(cleaning.derive(cleaning.to_frame(events), timezone))


@contextlib.contextmanager
def writer(sink) -> Iterator:
    """A function that writes a table to the Parquet file `sink` as one row group."""
    import pyarrow.parquet as pq

    from << cookiecutter.__package >>.cleaning import SCHEMA

    # A dictionary helps where values repeat: in text, but not in ids, numbers or times.
    repeating = [field.name for field in SCHEMA if field.type == "string" and field.name != "id"]
    with pq.ParquetWriter(sink, SCHEMA, compression="zstd", use_dictionary=repeating) as file:
        yield file.write_table


def check(settings: Settings, day: str, parts: list[dict], run_id: str) -> dict:
    """Make one day of the cleaned slices: {"counts", "files"}; Permanent when it is not fit to be published.

    A record that has a newer one in another slice is dropped: a revised origin time moves events between
    slices. All rows must be accounted for, and no more than max_rejected_share of them rejected.
    """
    from << cookiecutter.__package >>.rejects import in_words, merge_rules

    started = time.monotonic()
    counts = {name: sum(part["counts"][name] for part in parts) for name in COUNTS}
    files = [file for part in parts for file in part["files"]]
    files = _newest_of_all_slices(clean(settings, day), run_id, files, counts)
    for name in ("clean", "set_apart", "rejected"):
        if counts[name] != sum(file["rows"] for file in files if file["folder"] == name):
            raise Permanent(f"{day}: {counts[name]} rows are {name}, but its files hold another number.")
    if counts["read"] != sum(counts[name] for name in COUNTS if name != "read"):
        raise Permanent(f"{day}: the rows do not add up: {counts}")
    if counts["rejected"] > settings.max_rejected_share * counts["read"]:
        raise Permanent(
            f"{day}: {counts['rejected']} of {counts['read']} rows are rejected, more than "
            f"{settings.max_rejected_share:.0%} (ETL_MAX_REJECTED_SHARE). The last good partition stays. "
            + in_words(merge_rules(rule for part in parts for rule in part["rules"]))
        )
    files += _summary(clean(settings, day), run_id, files, counts)
    log_line(log, "checked", day=day, **counts, started=started)
    return {"counts": counts, "files": files}


def _summary(partition: Partition, run_id: str, files: list[dict], counts: dict) -> list[dict]:
    """Entries of the staged summary.json and summary.html of the day."""
    from << cookiecutter.__package >> import across, summary

    def events():
        for entry in files:
            if entry["folder"] == "clean":
                with partition.open_staged(run_id, entry) as file:
                    yield from across.batches(file, summary.COLUMNS)

    found = summary.summarize(partition.day, counts, events())
    entries = []
    for suffix, content in ((".json", summary.to_json(found)), (".html", summary.to_html(found))):
        with partition.staging(run_id, "summary", "summary", suffix) as staged:
            staged.sink.write(content)
        entries.append({**staged.entry, "rows": 0})
    return entries


def _newest_of_all_slices(partition: Partition, run_id: str, files: list[dict], counts: dict) -> list[dict]:
    """The entries, without records that have a newer one in another file; corrects `counts`."""
    from << cookiecutter.__package >> import across

    def opener(entry):
        return lambda: partition.open_staged(run_id, entry)

    events = [file for file in files if file["folder"] != "rejected"]
    result = [file for file in files if file["folder"] == "rejected"]
    for entry, older in zip(events, across.older_records([opener(entry) for entry in events]), strict=True):
        if len(older):
            stem, folder = entry["name"].rpartition("-")[0], entry["folder"]
            rows = 0
            with (
                opener(entry)() as file,
                partition.staging(run_id, folder, stem, ".parquet") as staged,
                writer(staged.sink) as write,
            ):
                for table in across.without(file, older):
                    rows += table.num_rows
                    write(table)
            entry = {**staged.entry, "rows": rows}
            counts[folder] -= len(older)
            counts["duplicates"] += len(older)
        if entry["rows"] or entry["folder"] == "clean":
            result.append(entry)
    return sorted(result, key=lambda entry: (entry["folder"], entry["name"]))


def publish(settings: Settings, day: str, checked: dict, run_id: str) -> dict:
    """Make the checked files the day's clean partition; its counts, and what changed since the last time."""
    started = time.monotonic()
    partition = clean(settings, day)
    facts = {
        **checked["counts"],
        "files": len(checked["files"]),
        "bytes": sum(file["bytes"] for file in checked["files"]),
        **_changes(partition, run_id, checked["files"]),
    }
    partition.publish(run_id, checked["files"], {"counts": checked["counts"]})
    log_line(log, "published clean", day=day, **facts, started=started)
    return facts


def _changes(partition: Partition, run_id: str, files: list[dict]) -> dict[str, int]:
    """New, changed and gone earthquakes since the last time, which the service revises for weeks."""
    from << cookiecutter.__package >> import across

    def clean_files(entries):
        return [entry for entry in entries if entry["folder"] == "clean"]

    before = clean_files((partition.manifest() or {"files": []})["files"])
    if before == clean_files(files):
        return {"new": 0, "changed": 0, "gone": 0}
    return across.changes(
        [lambda entry=entry: partition.store.open(partition.path(entry)) for entry in before],
        [lambda entry=entry: partition.open_staged(run_id, entry) for entry in clean_files(files)],
    )
