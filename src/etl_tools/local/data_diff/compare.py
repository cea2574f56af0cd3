"""Two folders of data, compared: days, counts, reasons of rejects, and each column's values."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from etl_tools.local.look import facts


@dataclass
class Column:
    """A column's type on both sides ("" where it is not there), and how many of its values differ."""

    types: tuple[str, str]
    changed: int = 0
    rows: int = 0
    example: tuple[object, object, str] | None = None  # before, after, day

    @property
    def differs(self) -> bool:
        return bool(self.changed) or self.types[0] != self.types[1]


@dataclass
class Compared:
    """A dataset on both sides: day → counts before and after, and the same of reasons and columns."""

    name: str
    days: dict[str, list[dict[str, int] | None]] = field(default_factory=dict)
    reasons: dict[str, list[int]] = field(default_factory=dict)
    columns: dict[str, Column] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    @property
    def differs(self) -> bool:
        days = any(before != after for before, after in self.days.values())
        reasons = any(before != after for before, after in self.reasons.values())
        return days or reasons or bool(self.problems) or any(column.differs for column in self.columns.values())


def datasets(before: Path, after: Path) -> list[Compared]:
    """All datasets that either side has."""
    sides = []
    for root in (before, after):
        try:
            sides.append({dataset.name: dataset for dataset in facts.read(root, [])})
        except ValueError:  # no data at all
            sides.append({})
    return [
        _compared(name, before, after, [side.get(name) for side in sides]) for name in sorted({*sides[0], *sides[1]})
    ]


def _compared(name: str, before: Path, after: Path, sides: list[facts.Dataset | None]) -> Compared:
    found = Compared(name)
    for number, side in enumerate(sides):
        for one in side.days if side else []:
            found.days.setdefault(one.day, [None, None])[number] = one.counts
            if one.problem:
                found.problems.append(f"{('before', 'after')[number]}, {one.day}: {one.problem}")
        for kind in ("reasons", "failed"):
            for words, reason in (getattr(side, kind) if side else {}).items():
                said = words if kind == "reasons" else f"{words} (of days that were not published)"
                found.reasons.setdefault(said, [0, 0])[number] = reason.rows
    paths = [dict(facts.files(root, "clean", name, "*.parquet")) for root in (before, after)]
    for day in sorted(paths[0].keys() & paths[1].keys()):
        try:
            _columns(found.columns, day, *(pq.ParquetFile(side[day]).read(use_threads=False) for side in paths))
        except (OSError, pa.ArrowInvalid):
            continue  # a problem of that day already
    return found


def _columns(known: dict[str, Column], day: str, before: pa.Table, after: pa.Table) -> None:
    rows = _same_rows(before, after)
    for name in dict.fromkeys([*before.column_names, *after.column_names]):
        types = _type(before, name), _type(after, name)
        column = known.setdefault(name, Column(types))
        column.types = types
        if not all(types):
            continue
        sides = before[name].to_pylist(), after[name].to_pylist()
        if rows is None:
            # Which row is which nobody knows: values that came or went with a row look like changed ones.
            there = Counter(map(repr, sides[0])), Counter(map(repr, sides[1]))
            column.rows += max(map(len, sides))
            column.changed += min((there[0] - there[1]).total(), (there[1] - there[0]).total())
            continue
        pairs = [(sides[0][one], sides[1][other]) for one, other in rows]
        different = [pair for pair in pairs if not _same(*pair)]
        column.rows += len(pairs)
        column.changed += len(different)
        if different and column.example is None:
            column.example = (*different[0], day)


def _type(side: pa.Table, name: str) -> str:
    return str(side.schema.field(name).type) if name in side.column_names else ""


def _same_rows(before: pa.Table, after: pa.Table) -> list[tuple[int, int]] | None:
    """Which rows are the same ones: by the column that names most of them on both sides, else by their place."""
    best: list[tuple[int, int]] = []
    for name in before.column_names:
        if name in after.column_names:
            places = [_places(side[name].to_pylist()) for side in (before, after)]
            both = [(places[0][value], places[1][value]) for value in places[0].keys() & places[1].keys()]
            best = max(best, both, key=len)
    if 2 * len(best) > min(len(before), len(after)):
        return sorted(best)
    return [(row, row) for row in range(len(before))] if len(before) == len(after) else None


def _places(values: list[Any]) -> dict[Any, int]:
    """Where each value is; nothing unless they are all there, and all different."""
    try:
        places = {value: row for row, value in enumerate(values) if value is not None}
    except TypeError:  # a list, say
        return {}
    return places if len(places) == len(values) else {}


def _same(one: object, other: object) -> bool:
    return one == other or (one != one and other != other)
