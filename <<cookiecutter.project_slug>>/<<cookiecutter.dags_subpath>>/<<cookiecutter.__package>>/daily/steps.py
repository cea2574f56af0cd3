"""What the tasks do, without Airflow. What a step returns goes through Airflow: small, JSON-ready."""

import hashlib
import json
import logging
import re
import time
from collections.abc import Iterator
from datetime import datetime, timedelta

from . import Dataset
from .settings import NoSuchDay, Permanent, Settings, bounds, load
from .store import Store

log = logging.getLogger(__name__)

COUNTS = ("read", "clean", "duplicates", "set_apart", "rejected")
ROW_GROUP = 128 * 1024  # rows that are written at once
ATTEMPTS = 5  # of a transform whose raw day changes while it reads
SAMPLES, SHOWN = 3, 5  # values per broken rule, and rules, in a message
RAW_FILE = re.compile(r"(\d{4})-of-(\d{4})\.\w+")


def folder(kind: str, name: str, day: str) -> str:
    return f"{kind}/{name}/partition_date={day}"


def plan(days: list[str], slices: int) -> list[dict]:
    """What is to be fetched: each day in `slices` time slices that cover it without a gap."""
    if not 1 <= slices <= 1440:
        raise Permanent(f"A day can be cut into 1 to 1440 slices, not {slices}.")
    parts = []
    for day in days:
        start, _ = bounds(day)
        # Whole minutes, so that no row falls between two slices by rounding.
        edges = [(start + timedelta(minutes=1440 * i // slices)).isoformat() for i in range(slices + 1)]
        parts += [
            {"day": day, "slice": i, "of": slices, "start": edges[i], "end": edges[i + 1]}
            for i in range(slices)
        ]
    return parts


def fetch(dataset: Dataset, part: dict, settings: Settings) -> dict:
    """Fetch one slice into its raw file: {"day", "file", "of", "bytes"}."""
    started = time.monotonic()
    start, end = (datetime.fromisoformat(part[edge]) for edge in ("start", "end"))
    name = f"{part['slice']:04d}-of-{part['of']:04d}.{dataset.format}"
    with Store(settings.data_root).writing(f"{folder('raw', dataset.name, part['day'])}/{name}") as sink:
        dataset.fetch(start, end, sink)
        size = sink.tell()
        if size and dataset.format == "csv":
            sink.seek(0)
            dataset.header(sink.readline(2**20))  # better no new raw day than one that cannot be read
    facts = {"day": part["day"], "file": name, "of": part["of"], "bytes": size}
    log_line("fetched", dataset=dataset.name, **facts, started=started)
    return facts


def publish(dataset: Dataset, files: list[dict], settings: Settings) -> dict[str, dict]:
    """Make the fetched slices the raw days, without what is left of older ones: {day: {"files", "bytes"}}."""
    store, days = Store(settings.data_root), {}
    for file in files:
        days.setdefault(file["day"], []).append(file)
    for day, fetched in days.items():
        place = folder("raw", dataset.name, day)
        there = store.files(place)
        ours = {file["file"] for file in fetched}
        if missing := sorted(ours - there.keys()):
            raise Permanent(
                f"{day}: another run has replaced {missing[0]} and fetched the day in other slices. "
                "The day is whole; to fetch it in these slices, clear the whole run."
            )
        # What is newer than our oldest file belongs to a run that is still at work, and publishes later.
        oldest = min(there[name][0] for name in ours)
        for name in there.keys() - ours:
            if there[name][0] < oldest:
                store.remove(f"{place}/{name}")
        days[day] = {"files": len(fetched), "bytes": sum(file["bytes"] for file in fetched)}
        log_line("published raw", dataset=dataset.name, day=day, **days[day])
    return days


def raw_files(store: Store, name: str, day: str) -> dict[str, tuple]:
    """The files of the raw day and their states: of the sets that are whole, the newest one."""
    sets = {}
    for file, state in store.files(folder("raw", name, day)).items():
        if match := RAW_FILE.fullmatch(file):
            sets.setdefault(int(match[2]), {})[file] = state
    whole = [files for of, files in sets.items() if len(files) == of]
    if not whole:
        partly = (
            f"only {sum(map(len, sets.values()))} of its files are there" if sets else "there is no raw data"
        )
        raise NoSuchDay(f"{name} of {day}: {partly} in {store.url}. Run extract for the day first.")
    return max(whole, key=lambda files: max(changed for changed, *_ in files.values()))


def transform(dataset: Dataset, day: str, settings: Settings) -> dict:
    """Make the clean day from the raw one; its counts (rows by COUNTS, and "bytes" of the clean file).

    The last one to write wins. When the raw day was replaced meanwhile, it is done again, so that what is
    there in the end is always made from the newest raw day.
    """
    bounds(day)
    store = Store(settings.data_root)
    for _ in range(ATTEMPTS):
        started = time.monotonic()
        before = raw_files(store, dataset.name, day)
        try:
            counts = _transform(store, dataset, day, sorted(before), settings)
        except FileNotFoundError:
            if raw_files(store, dataset.name, day) == before:
                raise
            continue
        if raw_files(store, dataset.name, day) == before:
            log_line("transformed", dataset=dataset.name, day=day, **counts, started=started)
            return counts
        log.warning("The raw day %s changed meanwhile: once more", day)
    raise RuntimeError(f"{dataset.name} of {day} is fetched anew all the time")


def _transform(store: Store, dataset: Dataset, day: str, files: list[str], settings: Settings) -> dict:
    from . import cleaning

    names = {"clean": "parquet", "set_apart": "parquet", "rejected": "jsonl"}
    clean, set_apart, rejected = (
        f"{folder(kind, dataset.name, day)}/{dataset.name}.{suffix}" for kind, suffix in names.items()
    )
    # They take their places when the blocks end: rejected first, clean last.
    with (
        store.writing(clean) as clean_file,
        store.writing(set_apart) as apart_file,
        store.writing(rejected) as rejected_file,
    ):
        rejects = Rejects(rejected_file)
        table, read, hashes = _read(store, dataset, day, files, rejects)
        table, duplicates = cleaning.newest(dataset, table)
        frame = cleaning.to_frame(table)
        del table
        rows = len(frame)
        if dataset.clean:
            frame = dataset.clean(frame)
            if len(frame) != rows:
                raise Permanent(
                    f"{day}: clean() returned {len(frame)} of {rows} rows: use Dataset.rules for bad ones."
                )
        apart = cleaning.as_mask(dataset.set_apart(frame) if dataset.set_apart else False, frame)
        counts = dict(
            zip(
                COUNTS,
                (read, rows - int(apart.sum()), duplicates, int(apart.sum()), rejects.rows),
                strict=True,
            )
        )
        _check(day, counts, rejects, settings)
        facts = {"counts": json.dumps(counts), "raw_sha256": json.dumps(hashes)}
        with _writer(clean_file, dataset, facts) as kept, _writer(apart_file, dataset, facts) as others:
            for start in range(0, rows, ROW_GROUP):
                some, mask = frame.iloc[start : start + ROW_GROUP], apart[start : start + ROW_GROUP]
                kept.write_table(cleaning.to_table(some[~mask] if mask.any() else some, dataset))
                if mask.any():
                    others.write_table(cleaning.to_table(some[mask], dataset))
        clean_file.seek(0, 2)
        return {**counts, "bytes": clean_file.tell()}


def _read(store: Store, dataset: Dataset, day: str, files: list[str], rejects: "Rejects"):
    """The rows that keep to the columns and rules, the number of rows read, and each file's SHA-256."""
    import pyarrow as pa

    from . import cleaning, reading

    read, hashes = 0, {}
    tables = [cleaning.schema(dataset.columns).empty_table()]
    for name in files:
        rejects.file = name
        with store.open(f"{folder('raw', dataset.name, day)}/{name}") as file:
            hashing = Hashing(file)
            for piece in reading.pieces(dataset, hashing):
                read += piece.records
                tables.append(cleaning.conform(dataset, piece, day, rejects))
            hashes[name] = hashing.sha256.hexdigest()
    return pa.concat_tables(tables), read, hashes


def _check(day: str, counts: dict, rejects: "Rejects", settings: Settings) -> None:
    if counts["read"] != sum(counts[name] for name in COUNTS if name != "read"):
        raise Permanent(f"{day}: the rows do not add up: {counts}")
    if counts["rejected"] > settings.max_rejected_share * counts["read"]:
        raise Permanent(
            f"{day}: {counts['rejected']} of {counts['read']} rows are rejected, more than "
            f"{settings.max_rejected_share:.0%} (ETL_MAX_REJECTED_SHARE). The last good day stays. "
            + rejects.in_words()
        )


def _writer(file, dataset: Dataset, facts: dict):
    import pyarrow.parquet as pq

    from . import cleaning

    columns = dataset.columns + dataset.derived
    # A dictionary helps where values repeat: in text, but not in keys, numbers or times.
    repeating = [c.name for c in columns if c.type == "text" and c.name not in dataset.keys]
    schema = cleaning.schema(columns).with_metadata(facts)
    return pq.ParquetWriter(file, schema, compression="zstd", use_dictionary=repeating)


def read(name: str, day: str, kind: str = "clean", settings: Settings | None = None):
    """See daily.read."""
    import pyarrow.parquet as pq

    from . import cleaning

    store = Store((settings or load()).data_root)
    try:
        with store.open(f"{folder(kind, name, day)}/{name}.parquet") as file:
            return cleaning.to_frame(pq.read_table(file))
    except FileNotFoundError:
        raise NoSuchDay(
            f"{name} of {day} is not in {store.url}: run extract and transform for it first."
        ) from None


class Hashing:
    """A binary file that is read from start to end, and its SHA-256."""

    def __init__(self, file):
        self._file, self.sha256 = file, hashlib.sha256()

    def read(self, size: int) -> bytes:
        return self._hashed(self._file.read(size))

    def readline(self, size: int = -1) -> bytes:
        return self._hashed(self._file.readline(size))

    def __iter__(self) -> Iterator[bytes]:
        return map(self._hashed, self._file)

    def _hashed(self, content: bytes) -> bytes:
        self.sha256.update(content)
        return content


class Rejects:
    """Writes rejected rows to `sink` as JSON lines: file, line, reason, the row as it was; counts by rule.

    Bytes that are not UTF-8 appear as \\\\xNN.
    """

    def __init__(self, sink):
        self._sink, self._rules = sink, {}
        self.rows, self.file = 0, ""

    def __call__(self, line: int, problems: list, text: bytes) -> None:
        reasons = [
            " ".join(filter(None, (column, value and repr(value), rule))) for column, value, rule in problems
        ]
        row = {
            "file": self.file,
            "line": line,
            "reason": "; ".join(reasons),
            "row": text.decode(errors="backslashreplace"),
        }
        self._sink.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")
        self.rows += 1
        for column, value, rule in problems:
            rows, samples = self._rules.setdefault((column or "line", rule), [0, []])
            self._rules[column or "line", rule][0] = rows + 1
            if len(samples) < SAMPLES:
                samples.append(value or row["row"][:40])

    def in_words(self) -> str:
        """The rules that most rows broke: column, rule, number of rows and some of the values."""
        most = sorted(self._rules.items(), key=lambda item: (-item[1][0], item[0]))[:SHOWN]
        return " ".join(
            f"{column} {rule}: {rows} rows ({', '.join(samples)})."
            for (column, rule), (rows, samples) in most
        )


def log_line(event: str, *, started: float | None = None, **facts) -> None:
    """Log `event` and its facts as one JSON object, with the seconds since `started` (time.monotonic)."""
    if started is not None:
        facts["seconds"] = round(time.monotonic() - started, 3)
    log.info("%s", json.dumps({"event": event, **facts}))
