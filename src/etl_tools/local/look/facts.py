"""What the files of a data folder say about themselves: days, counts, ranges, rejects, and what a day was made of.

Numbers come from each file's metadata. Only columns without statistics (text) are read.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

COUNTS = ("clean", "set_apart", "duplicates", "rejected")
REJECTS_READ = 100_000  # of a dataset; how many there are in all, the counts say
SAMPLES = 3  # rows that are shown of a reason
DIFFERENT = 1_000  # values of a text that are counted
# A value as Python writes it, behind the name of its column.
VALUE = re.compile(r"""(^|; )([^'";]* )?('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*") """)


@dataclass
class Range:
    """What a column had on a day."""

    low: Any = None
    high: Any = None
    missing: int = 0
    rows: int = 0


@dataclass
class Day:
    """A day as its file has it. problem: why it cannot be read."""

    day: str
    counts: dict[str, int] = field(default_factory=dict)
    ranges: dict[str, Range] = field(default_factory=dict)
    raw: dict[str, str] = field(default_factory=dict)
    commit: str = ""
    contract: str = ""
    size: int = 0
    problem: str = ""


@dataclass
class Reason:
    """Why rows were rejected: how many, on which days, and some of them."""

    rows: int = 0
    days: set[str] = field(default_factory=set)
    samples: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class Dataset:
    name: str
    days: list[Day]
    schema: pa.Schema | None = None
    values: dict[str, Counter[str]] = field(default_factory=dict)  # of texts, unless they are all different
    reasons: dict[str, Reason] = field(default_factory=dict)
    failed: dict[str, Reason] = field(default_factory=dict)  # of days that were not published
    unread: int = 0  # rejected rows beyond REJECTS_READ
    waiting: list[str] = field(default_factory=list)  # days that are fetched, and not published
    gaps: list[str] = field(default_factory=list)

    @property
    def period(self) -> str:
        """What a partition is called, by its key; that of a week is its Monday."""
        keys = [*(day.day for day in self.days), *self.waiting, ""]
        return {13: "hour", 7: "month"}.get(len(keys[0]), "day")

    def total(self, name: str) -> int:
        return sum(day.counts.get(name, 0) for day in self.days)


def read(root: Path, names: list[str]) -> list[Dataset]:
    """The datasets below the folder, or those with these names; ValueError when one is not there."""
    there = {path.name for kind in ("raw", "clean", "failed") for path in root.glob(f"{kind}/*") if path.is_dir()}
    if not there:
        raise ValueError(f"there is no data in {root}: make run first.")
    if unknown := sorted(set(names) - there):
        raise ValueError(f"there is no dataset {unknown[0]} in {root}, only {', '.join(sorted(there))}.")
    return [_dataset(root, name) for name in sorted(names or there)]


def _dataset(root: Path, name: str) -> Dataset:
    values: dict[str, Counter[str]] = {}
    dataset = Dataset(name, [], values=values)
    for day, path in files(root, "clean", name, "*.parquet"):
        dataset.days.append(_day(day, path, values))
    with_schema = [path for _, path in files(root, "clean", name, "*.parquet")]
    for path in (root / "clean" / name / "columns.parquet", *reversed(with_schema)):
        try:
            dataset.schema = pq.read_schema(path)
            break
        except (OSError, pa.ArrowInvalid):
            continue
    published = {day.day for day in dataset.days}
    dataset.waiting = [day for day, _ in files(root, "raw", name, "manifest.json") if day not in published]
    dataset.gaps = gaps(sorted(published))
    _rejects(dataset.reasons, root, "rejected", dataset)
    _rejects(dataset.failed, root, "failed", dataset)
    return dataset


def files(root: Path, kind: str, name: str, pattern: str) -> list[tuple[str, Path]]:
    """The files of each day in the order of the days: (2018-02-01, …/partition_date=2018-02-01/orders.parquet)."""
    found = (root / kind / name).glob(f"*=*/{pattern}")
    return sorted((path.parent.name.partition("=")[2], path) for path in found if path.name[0] != ".")


def gaps(days: list[str]) -> list[str]:
    """The days between the first and the last that are not there; none where folders are no days in a row."""
    try:
        there = [date.fromisoformat(day) for day in days]
    except ValueError:
        return []
    steps = Counter(later - earlier for earlier, later in pairwise(there))
    if not steps or steps.most_common(1)[0][0] != timedelta(1):
        return []
    every = (there[0] + timedelta(number) for number in range((there[-1] - there[0]).days))
    return [day.isoformat() for day in every if day not in set(there)]


def _day(day: str, path: Path, values: dict[str, Counter[str]]) -> Day:
    try:
        file = pq.ParquetFile(path)
        found = Day(day, size=path.stat().st_size, ranges=_ranges(file, values))
        facts = {key.decode(): value.decode() for key, value in (file.metadata.metadata or {}).items()}
        found.counts = json.loads(facts.get("counts", "{}")) or {"clean": file.metadata.num_rows}
        found.raw = json.loads(facts.get("raw_sha256", "{}"))
        found.commit, found.contract = facts.get("commit", ""), facts.get("contract", "")
        return found
    except (OSError, pa.ArrowInvalid, ValueError) as problem:
        return Day(day, problem=f"{path.name} cannot be read: {problem}")


def _ranges(file: pq.ParquetFile, values: dict[str, Counter[str]]) -> dict[str, Range]:
    found: dict[str, Range] = {}
    unknown = set()
    for group in (file.metadata.row_group(number) for number in range(file.num_row_groups)):
        for column in (group.column(number) for number in range(group.num_columns)):
            known, facts = found.setdefault(column.path_in_schema, Range()), column.statistics
            known.rows += group.num_rows
            if facts is None or not facts.has_null_count:
                unknown.add(column.path_in_schema)
                continue
            known.missing += facts.null_count
            if facts.has_min_max:
                _widen(known, facts.min, facts.max)
    for name in sorted(unknown & set(file.schema_arrow.names)):
        found[name] = _read_range(file.read([name], use_threads=False)[name], name, values)
    return found


def _widen(known: Range, low: Any, high: Any) -> None:
    known.low = low if known.low is None else min(known.low, low)
    known.high = high if known.high is None else max(known.high, high)


def _read_range(column: pa.ChunkedArray, name: str, values: dict[str, Counter[str]]) -> Range:
    found = Range(missing=column.null_count, rows=len(column))
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        counter = values.setdefault(name, Counter())
        if len(counter) <= DIFFERENT:
            counted = pc.value_counts(column.drop_null())
            pairs = zip(counted.field("values").to_pylist(), counted.field("counts").to_pylist(), strict=True)
            counter.update(dict(pairs))
    edges = pc.min_max(column) if found.missing < found.rows else None
    if edges is not None:
        found.low, found.high = edges["min"].as_py(), edges["max"].as_py()
    return found


def _rejects(into: dict[str, Reason], root: Path, kind: str, dataset: Dataset) -> None:
    """Count the rows of each reason, the newest days first."""
    left = REJECTS_READ
    for day, path in reversed(files(root, kind, dataset.name, "*.jsonl")):
        for record in records(path):
            if left <= 0:
                dataset.unread += 1
                continue
            left -= 1
            for reason in kinds(str(record.get("reason", ""))):
                known = into.setdefault(reason, Reason())
                known.rows += 1
                known.days.add(day)
                if len(known.samples) < SAMPLES:
                    known.samples.append({**record, "day": day})


def records(path: Path) -> Iterator[dict[str, Any]]:
    with open(path, encoding="utf-8", errors="backslashreplace") as file:
        for line in file:
            try:
                record = json.loads(line)
            except ValueError:
                record = None
            yield record if isinstance(record, dict) else {"reason": "a line that is not JSON", "row": line}


def kinds(reason: str) -> list[str]:
    """The rules that a row broke, without its values: "mag '99' is above 10" → "mag is above 10"."""
    plain = VALUE.sub(lambda match: f"{match[1]}{match[2] or ''}", reason)
    return list(dict.fromkeys(plain.split("; "))) if plain else ["no reason is given"]
