"""What the tasks do, without Airflow. What a step returns goes through Airflow: small, JSON-ready."""

import hashlib
import json
import logging
import math
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

from . import Dataset
from .settings import NoSuchDay, Permanent, Settings, bounds
from .store import Store

log = logging.getLogger(__name__)

COUNTS = ("read", "clean", "duplicates", "set_apart", "rejected")
ATTEMPTS = 5  # of a transform whose raw day changes while it reads
SAMPLES, SHOWN = 3, 5  # values per broken rule, and rules, in a message


def folder(kind: str, name: str, day: str) -> str:
    return f"{kind}/{name}/partition_date={day}"


def plan(dataset: Dataset, days: list[str], slices: int) -> list[dict]:
    """What is to be fetched: each day in `slices` time slices that cover it without a gap."""
    if dataset.kind == "snapshot" and slices > 1:
        raise Permanent(f"{dataset.name} is a snapshot, which has no time slices: slices must be 1.")
    parts = []
    for day in days:
        start, end = bounds(day, dataset.zone)
        minutes = (end - start) // timedelta(minutes=1)
        if not 1 <= slices <= minutes:
            raise Permanent(f"{day} can be cut into 1 to {minutes} slices, not {slices}.")
        # Whole minutes, so that no row falls between two slices by rounding.
        edges = [start + timedelta(minutes=minutes * n // slices) for n in range(slices + 1)]
        edges = [edge.astimezone(ZoneInfo(dataset.zone)).isoformat() for edge in edges]
        for n in range(slices):
            parts.append({"day": day, "slice": n, "of": slices, "start": edges[n], "end": edges[n + 1]})
    return parts


def fetch(dataset: Dataset, part: dict, settings: Settings) -> dict:
    """Fetch one slice into its raw file: {"day", "file", "bytes"}."""
    started = time.monotonic()
    _refuse_past(dataset, part["day"])
    times = [datetime.fromisoformat(part[edge]) for edge in ("start", "end")]
    name = f"{part['slice']:04d}-of-{part['of']:04d}.{dataset.format}"
    with Store(settings.data_root).writing(f"{folder('raw', dataset.name, part['day'])}/{name}") as sink:
        dataset.fetch(*([] if dataset.kind == "snapshot" else times), sink)
        size = sink.tell()
        if size and dataset.format == "csv":
            sink.seek(0)
            dataset.header(sink.readline(2**20))  # better no new raw day than one that cannot be read
    facts = {"day": part["day"], "file": name, "bytes": size}
    _log("fetched", dataset, started, **facts)
    return facts


def now() -> datetime:
    return datetime.now(timezone.utc)


def _refuse_past(dataset: Dataset, day: str) -> None:
    """Permanent when the source would answer with its state of today for another day."""
    start, end = bounds(day, dataset.zone)
    if dataset.kind == "events" or start <= now() < end + (end - start):
        return
    what = "is of another moment" if dataset.kind == "snapshot" else "lacks what has changed again since"
    raise Permanent(
        f"{dataset.name} of {day} is refused: what the source says now {what} (kind={dataset.kind!r}). "
        "Only today and the day that has just ended can be fetched."
    )


def publish(dataset: Dataset, files: list[dict], settings: Settings) -> dict[str, dict]:
    """Make the fetched slices the raw days, without what is left of older ones: {day: {"files", "bytes"}}."""
    started, store, days = time.monotonic(), Store(settings.data_root), {}
    for day in {file["day"]: None for file in files}:
        fetched = [file for file in files if file["day"] == day]
        if not all(file["file"] for file in fetched):  # the source has no such day
            continue
        sizes = {file["file"]: file["bytes"] for file in fetched}
        place = folder("raw", dataset.name, day)
        there = store.files(place)
        if missing := sorted(sizes.keys() - there.keys()):
            raise Permanent(
                f"{day}: {missing[0]} is gone, for another run has fetched the day in other slices. "
                "The day is whole; to have it in these slices, clear the whole run."
            )
        # What is newer than our oldest file belongs to a run that is still at work, and publishes later.
        oldest = min(there[name][0] for name in sizes)
        for name in there.keys() - sizes.keys():
            if there[name][0] < oldest:
                store.remove(f"{place}/{name}")
        days[day] = {"files": len(sizes), "bytes": sum(sizes.values())}
        _log("published raw", dataset, started, day=day, **days[day])
    return days


def raw_files(store: Store, name: str, day: str) -> dict[str, tuple]:
    """The files of the raw day and their states: of the sets that are whole, the newest one."""
    sets = {}
    for file, state in store.files(folder("raw", name, day)).items():
        if match := re.fullmatch(r"\d{4}-of-(\d{4})\.\w+", file):
            sets.setdefault(int(match[1]), {})[file] = state
    whole = [files for of, files in sets.items() if len(files) == of]
    if not whole:
        reason = f"has only {sum(map(len, sets.values()))} of its raw files" if sets else "has no raw data"
        raise NoSuchDay(f"{name} of {day} {reason} in {store.url}: run extract for it first.")
    return max(whole, key=lambda files: max(changed for changed, *_ in files.values()))


def transform(dataset: Dataset, day: str, settings: Settings, accept: bool = False) -> dict:
    """Make the clean day from the raw one; its counts (rows by COUNTS).

    accept: a person says that a day with few rows is right (Dataset.min_rows, min_share).

    The last one to write wins. When the raw day was replaced meanwhile, it is done again, so that what is
    there in the end is always made from the newest raw day.
    """
    bounds(day)
    store = Store(settings.data_root)
    for _ in range(ATTEMPTS):
        started, before = time.monotonic(), raw_files(store, dataset.name, day)
        try:
            counts = _transform(store, dataset, day, sorted(before), settings, accept)
        except OSError:  # a file has gone or was replaced while it was read, if nothing else is the matter
            if raw_files(store, dataset.name, day) == before:
                raise
            continue
        if raw_files(store, dataset.name, day) == before:
            _log("transformed", dataset, started, day=day, **counts)
            return counts
        log.warning("The raw day %s has changed meanwhile: once more", day)
    raise RuntimeError(f"{dataset.name} of {day} is fetched again all the time")


def _transform(store: Store, dataset: Dataset, day: str, files: list[str], settings: Settings, accept: bool):
    import pyarrow as pa
    import pyarrow.parquet as pq

    from . import cleaning

    # Arrow's own takes a quarter more time here; this one also gives memory back when it is told to.
    pool = pa.system_memory_pool()
    pa.set_memory_pool(pool)

    def writing(kind: str, suffix: str):
        return store.writing(f"{folder(kind, dataset.name, day)}/{dataset.name}.{suffix}")

    # They take their places when the blocks end: rejected first, clean last.
    with (
        writing("clean", "parquet") as clean_file,
        writing("set_apart", "parquet") as apart_file,
        writing("rejected", "jsonl") as rejected_file,
    ):
        rejects = Rejects(rejected_file)
        tables, read, hashes = _read(store, dataset, day, files, rejects)
        pool.release_unused()
        table, duplicates = cleaning.newest(dataset, tables)
        pool.release_unused()
        rows, frame = table.num_rows, cleaning.to_frame(table)
        del table
        frame = dataset.clean(frame) if dataset.clean else frame
        if len(frame) != rows:
            reason = f"{day}: clean() returned {len(frame)} of {rows} rows: use Dataset.rules for bad ones."
            raise Permanent(reason)
        apart = cleaning.as_mask(dataset.set_apart(frame) if dataset.set_apart else False, frame)
        numbers = (read, int((~apart).sum()), duplicates, int(apart.sum()), rejects.rows)
        counts = dict(zip(COUNTS, numbers, strict=True))
        _check(day, counts, rejects, settings)
        if not accept:
            _check_floor(dataset, day, counts, published(store, dataset.name, day))
        columns = dataset.columns + dataset.derived
        schema = cleaning.schema(columns).with_metadata(
            {"counts": json.dumps(counts), "raw_sha256": json.dumps(hashes)}
        )
        # A dictionary helps where values repeat, in text that is no key; statistics help elsewhere.
        repeating = [c.name for c in columns if c.type == "text" and c.name not in dataset.keys]
        others = [c.name for c in columns if c.name not in repeating]
        options = {"use_dictionary": repeating, "write_statistics": others, "compression": "zstd"}
        for file, mask in ((apart_file, apart), (clean_file, ~apart)):
            with pq.ParquetWriter(file, schema, **options) as writer:
                for table in ahead(cleaning.row_groups(frame, mask, schema)):
                    writer.write_table(table)
        return counts


def _read(store: Store, dataset: Dataset, day: str, files: list[str], rejects: "Rejects"):
    """Tables of the rows that keep to the columns and rules, the number of rows read, each file's SHA-256."""
    from . import cleaning, reading

    read, hashes, rows, names = 0, {}, 0, set()
    tables = [cleaning.schema(dataset.columns).empty_table()]

    def pieces():
        for name in files:
            sha256 = hashlib.sha256()
            with store.open(f"{folder('raw', dataset.name, day)}/{name}") as file:
                for piece in reading.pieces(dataset, file, sha256):
                    yield name, piece
            hashes[name] = sha256.hexdigest()

    for name, piece in ahead(pieces()):
        rejects.file = name
        read += piece.table.num_rows + len(piece.broken)
        rows += piece.table.num_rows
        names |= piece.names
        tables.append(cleaning.conform(dataset, piece, day, rejects))
    if rows and dataset.format == "jsonl":
        dataset.check_names(names, f"{dataset.name} of {day}")
    return tables, read, hashes


def ahead(items: Iterator) -> Iterator:
    """The same items; while the caller works on one, a thread makes the next."""
    end = object()
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(next, items, end)
        while (item := coming.result()) is not end:
            coming = thread.submit(next, items, end)
            yield item


def _check(day: str, counts: dict, rejects: "Rejects", settings: Settings) -> None:
    if counts["read"] != sum(counts[name] for name in COUNTS if name != "read"):
        raise Permanent(f"{day}: the rows do not add up: {counts}")
    if counts["rejected"] > settings.max_rejected_share * counts["read"]:
        raise Permanent(
            f"{day}: {rejects.rows} of {counts['read']} rows are rejected, more than "
            f"{settings.max_rejected_share:.0%} (ETL_MAX_REJECTED_SHARE). The last good day stays. "
            f"{rejects.in_words()}"
        )


def published(store: Store, name: str, day: str) -> dict | None:
    """The counts of the day that is published; None where there is none."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with store.open(f"{folder('clean', name, day)}/{name}.parquet") as file:
            return json.loads((pq.read_metadata(file).metadata or {}).get(b"counts", b"null"))
    except FileNotFoundError:
        return None
    except pa.ArrowInvalid as problem:
        log.warning("%s of %s is damaged, and is replaced: %s", name, day, problem)
        return None


def _check_floor(dataset: Dataset, day: str, counts: dict, old: dict | None) -> None:
    """Permanent when the day would have too few rows, by number or beside those that are published."""
    rows, before = (each["clean"] + each["set_apart"] if each else 0 for each in (counts, old))
    limits = {"min_rows": dataset.min_rows, "min_share": math.ceil(dataset.min_share * before)}
    for limit, least in limits.items():
        if rows < least:
            stays = f"the published day with {before} rows stays" if old else "nothing is published"
            few = f"has {rows} rows, less than {least} ({limit}={getattr(dataset, limit)})"
            how = "If it is right, run this DAG for the day again with the param accept."
            raise Permanent(f"{dataset.name} of {day} {few}: {stays}. {how}")


class Rejects:
    """Writes rejected rows to `sink` as JSON lines (file, line, reason, row), and counts them by rule.

    Bytes that are not UTF-8 appear as \\\\xNN.
    """

    def __init__(self, sink):
        self._sink, self._rules = sink, {}
        self.rows, self.file = 0, ""

    def __call__(self, line: int, problems: list[tuple[str, str, str]], text: bytes) -> None:
        row = text.decode(errors="backslashreplace")
        words = [(name, value and repr(value), rule) for name, value, rule in problems]
        reason = "; ".join(" ".join(filter(None, each)) for each in words)
        record = {"file": self.file, "line": line, "reason": reason, "row": row}
        self._sink.write(json.dumps(record, ensure_ascii=False).encode() + b"\n")
        self.rows += 1
        for name, value, rule in problems:
            self._rules.setdefault(f"{name or 'line'} {rule}", []).append((value or row)[:40])

    def in_words(self) -> str:
        """The rules that most rows broke: column, rule, number of rows and some of the values."""
        most = sorted(self._rules.items(), key=lambda item: (-len(item[1]), item[0]))[:SHOWN]
        return " ".join(f"{rule}: {len(rows)} rows ({', '.join(rows[:SAMPLES])})." for rule, rows in most)


def _log(event: str, dataset: Dataset, started: float, **facts) -> None:
    """One JSON object a line: easy to read, to search for, and to parse. started: time.monotonic() then."""
    seconds = round(time.monotonic() - started, 3)
    log.info("%s", json.dumps({"event": event, "dataset": dataset.name, **facts, "seconds": seconds}))
