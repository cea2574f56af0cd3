"""The steps of transform. What a step returns goes through Airflow to the next one: small, JSON-ready."""

import logging
import time

from << cookiecutter.__package >>.datasets import clean, raw
from << cookiecutter.__package >>.errors import NoSuchDay, Permanent
from << cookiecutter.__package >>.report import log_line
from << cookiecutter.__package >>.settings import Settings

log = logging.getLogger(__name__)

COUNTS = ("read", "clean", "duplicates", "set_apart", "rejected")
ROW_GROUP = 128 * 1024  # rows that are derived and written at once


def plan(settings: Settings, day: str, run_id: str) -> list[dict]:
    """The raw files to clean; from now on this run owns the day's clean partition."""
    manifest = raw(settings, day).manifest()
    if manifest is None:
        raise NoSuchDay(f"There is no raw data of {day} in {settings.data_root}: run extract for it first.")
    clean(settings, day).begin(run_id)
    return manifest["files"]


def clean_slice(settings: Settings, day: str, source: dict, run_id: str) -> dict:
    """Clean one raw file; {"counts": rows by COUNTS, "files": entries of what it staged, with `rows`}."""
    import pyarrow as pa

    from << cookiecutter.__package >> import cleaning, reading

    started = time.monotonic()
    raw_day, clean_day = raw(settings, day), clean(settings, day)
    stem = source["name"].split(".")[0].rsplit("-", 1)[0]
    counts = dict.fromkeys(COUNTS, 0)
    tables = [cleaning.TYPED.empty_table()]
    files = []
    with clean_day.staging(run_id, "rejected", stem, ".jsonl") as rejects:
        reject = RejectWriter(rejects.sink, source["name"])
        with raw_day.store.open(raw_day.path(source)) as file:
            for piece in reading.pieces(file):
                counts["read"] += piece.records
                tables.append(cleaning.conform(piece, day, reject))
    counts["rejected"] = reject.rows
    if reject.rows:
        files.append({**rejects.entry, "rows": reject.rows})
    valid = pa.concat_tables(tables)
    tables.clear()
    kept = cleaning.newest(valid)
    counts["duplicates"] = valid.num_rows - kept.num_rows
    del valid
    earthquakes, others = cleaning.split(kept)
    del kept
    counts["clean"], counts["set_apart"] = earthquakes.num_rows, others.num_rows
    for folder, events in (("clean", earthquakes), ("set_apart", others)):
        if folder == "clean" or events.num_rows:
            with clean_day.staging(run_id, folder, stem, ".parquet") as staged:
                write(events, staged.sink, settings.timezone)
            files.append({**staged.entry, "rows": events.num_rows})
    assert_balanced(day, counts)
    log_line(log, "cleaned", day=day, file=source["name"], **counts, started=started)
    return {"counts": counts, "files": files}


def write(events, sink, timezone: str) -> None:
    """Write typed events as Parquet with the derived columns, a row group at a time."""
    import pyarrow.parquet as pq

    from << cookiecutter.__package >> import cleaning

    with pq.ParquetWriter(sink, cleaning.SCHEMA, compression="zstd") as writer:
        for start in range(0, max(events.num_rows, 1), ROW_GROUP):
            frame = cleaning.to_frame(events.slice(start, ROW_GROUP))
            writer.write_table(cleaning.to_table(cleaning.derive(frame, timezone)))


def check(settings: Settings, day: str, parts: list[dict]) -> dict:
    """The day's counts; Permanent when they do not add up, or when too many rows were rejected."""
    counts = {name: sum(part["counts"][name] for part in parts) for name in COUNTS}
    assert_balanced(day, counts)
    if counts["rejected"] > settings.max_rejected_share * counts["read"]:
        raise Permanent(
            f"{day}: {counts['rejected']} of {counts['read']} rows are rejected, "
            f"more than {settings.max_rejected_share:.0%}. The last good partition stays."
        )
    return counts


def publish(settings: Settings, day: str, parts: list[dict], run_id: str) -> dict:
    """Make the cleaned slices the day's clean partition; its counts."""
    started = time.monotonic()
    counts = check(settings, day, parts)
    files = [file for part in parts for file in part["files"]]
    clean(settings, day).publish(run_id, files, {"counts": counts})
    facts = {**counts, "files": len(files), "bytes": sum(file["bytes"] for file in files)}
    log_line(log, "published clean", day=day, **facts, started=started)
    return facts


def assert_balanced(day: str, counts: dict) -> None:
    """No row is lost: each one that was read is clean, a duplicate, set apart or rejected."""
    if counts["read"] != sum(counts[name] for name in COUNTS if name != "read"):
        raise Permanent(f"{day}: the rows do not add up: {counts}")


class RejectWriter:
    """Writes rejected rows as JSON lines: file, line, reason, and the row exactly as it stood in the file."""

    def __init__(self, sink, file: str):
        self._sink, self._file, self.rows = sink, file, 0

    def __call__(self, line: int, reason: str, text: bytes) -> None:
        import json

        text = text.decode(errors="backslashreplace")
        row = {"file": self._file, "line": line, "reason": reason, "row": text}
        self._sink.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")
        self.rows += 1
