"""From text to clean events: types, contract, duplicates, derived columns. No files, no Airflow."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from << cookiecutter.__package >> import contract
from << cookiecutter.__package >>.contract import COLUMNS, Column, arrow_schema
from << cookiecutter.__package >>.days import bounds
from << cookiecutter.__package >>.reading import Piece

SCHEMA = arrow_schema()
TYPED = arrow_schema(COLUMNS)
WANTED = {
    "timestamp": "is not a time with a zone, like 2018-02-01T00:00:00.000Z",
    "number": "is not a number",
    "integer": "is not a whole number",
}

MAGNITUDE_CLASSES = ("micro", "minor", "light", "moderate", "strong", "major", "great")
MAGNITUDE_EDGES = (3, 4, 5, 6, 7, 8)
DEPTH_CLASSES = ("shallow", "intermediate", "deep")
DEPTH_EDGES = (70, 300)  # km

# (column, its value, the rule it breaks); column and value are empty when the line as a whole is no record.
Problem = tuple[str, str, str]
Reject = Callable[[int, list[Problem], bytes], None]


def conform(piece: Piece, day: str, reject: Reject) -> pa.Table:
    """The rows of `piece` that keep the contract, typed (schema TYPED).

    Every other row goes to reject(line, problems, text), with a problem for each rule that it breaks.
    """
    columns, complaints = [], {}
    for column in COLUMNS:
        text = piece.table[column.name].combine_chunks()
        values, broken_rules = _typed(text, column, day)
        columns.append(values)
        for rule, rows in broken_rules:
            for row in rows:
                complaints.setdefault(row, []).append((column.name, _excerpt(text[row]), rule))
    rejects = [(line, [("", "", reason)], text) for line, reason, text in piece.broken]
    rejects += [(int(piece.lines[row]), complaints[row], piece.text(row)) for row in complaints]
    for rejected in sorted(rejects):
        reject(*rejected)
    if complaints:
        keep = np.ones(piece.table.num_rows, dtype=bool)
        keep[list(complaints)] = False
        columns = [values.filter(pa.array(keep)) for values in columns]
    return pa.Table.from_arrays(columns, schema=TYPED)


def _typed(text: pa.Array, column: Column, day: str) -> tuple[pa.Array, list[tuple[str, list[int]]]]:
    """The column's values, null where unreadable, and its rules, each with the rows that break it."""
    rules = []
    if column.type == "text":
        values = text
        too_long = pc.greater(pc.binary_length(text), contract.MAX_TEXT)
        rules.append((f"is longer than {contract.MAX_TEXT} bytes", _rows(too_long)))
    else:
        values, unreadable = _cast(text, TYPED.field(column.name).type)
        rules.append((WANTED[column.type], unreadable))
        low, high, range_ = _range(column, day)
        fits = pc.and_(pc.greater_equal(values, low), pc.less_equal(values, high))
        rules.append((f"is outside {range_}", _rows(pc.invert(fits))))
    if not column.nullable and text.null_count:
        rules.append(("is missing", _rows(text.is_null())))
    return values, rules


def _cast(text: pa.Array, to: pa.DataType) -> tuple[pa.Array, list[int]]:
    """The values, and the rows whose text cannot be read: halves the column until it finds them."""
    try:
        return pc.cast(text, to), []
    except pa.ArrowInvalid:
        if len(text) == 1:
            return pa.nulls(1, to), [0]
    middle = len(text) // 2
    first, bad_first = _cast(text[:middle], to)
    second, bad_second = _cast(text[middle:], to)
    return pa.concat_arrays([first, second]), bad_first + [middle + row for row in bad_second]


def _range(column: Column, day: str) -> tuple[pa.Scalar, pa.Scalar, str]:
    """Lowest and highest value allowed, and both in words."""
    if column.name == "time":
        start, end = bounds(day)
        last = pa.scalar(int(end.timestamp() * 1000) - 1, pa.int64()).cast(pa.timestamp("ms", tz="UTC"))
        return pa.scalar(start, pa.timestamp("ms", tz="UTC")), last, f"the day {day} (UTC)"
    if column.type == "timestamp":
        low, high = (pa.scalar(bounds(d)[0], pa.timestamp("ms", tz="UTC")) for d in contract.UPDATED_RANGE)
        return low, high, " to ".join(contract.UPDATED_RANGE)
    kind = TYPED.field(column.name).type
    return pa.scalar(column.low, kind), pa.scalar(column.high, kind), f"{column.low:,} to {column.high:,}"


def _rows(mask: pa.Array) -> list[int]:
    """Where the mask is true; null is not true."""
    if not pc.any(mask).as_py():
        return []
    return np.flatnonzero(mask.fill_null(False).to_numpy(zero_copy_only=False)).tolist()


def _excerpt(value: pa.Scalar) -> str:
    text = value.as_py() or ""
    return text if len(text) <= 40 else text[:37] + "..."


def newest(events: pa.Table) -> np.ndarray:
    """A mask of the rows to keep: of each id the one with the newest `updated`.

    Records of an id that were updated at the same instant are told apart by their other columns, so that the
    result does not depend on the order in which they came.
    """
    codes = events["id"].combine_chunks().dictionary_encode().indices.to_numpy()
    repeated = np.bincount(codes, minlength=1)[codes] > 1
    keep = ~repeated
    if repeated.any():
        rows = np.flatnonzero(repeated)
        keep[rows[last_of_each_id(events.take(pa.array(rows)))]] = True
    return keep


def last_of_each_id(events: pa.Table) -> np.ndarray:
    """Row numbers of the newest record of each id."""
    others = [name for name in events.column_names if name not in ("id", "updated")]
    order = pc.sort_indices(
        events,
        sort_keys=[(name, "ascending") for name in ("id", "updated", *others)],
    ).to_numpy()
    ids = events["id"].combine_chunks().dictionary_encode().indices.to_numpy()[order]
    return order[np.append(ids[1:] != ids[:-1], True)] if len(order) else order


def in_order(events: pa.Table) -> pa.Table:
    """The events in the order of time; a catalogue that comes in this order is not touched."""
    times = events["time"].combine_chunks().cast(pa.int64()).to_numpy()
    if (times[1:] >= times[:-1]).all():
        return events
    return events.take(pc.sort_indices(events, sort_keys=[("time", "ascending"), ("id", "ascending")]))


def split(events: pa.Table) -> tuple[pa.Table, pa.Table]:
    """Earthquakes, and what is something else (a quarry blast, an explosion)."""
    is_earthquake = pc.equal(events["type"], contract.EVENT_TYPE)
    return events.filter(is_earthquake), events.filter(pc.invert(is_earthquake))


def derive(events: pd.DataFrame, timezone: str) -> pd.DataFrame:
    """Add magnitude_class, depth_class and local_day (the calendar day of `time` in `timezone`).

    A class is missing where its number is.
    """
    return events.assign(
        magnitude_class=_classes(events["mag"], MAGNITUDE_EDGES, MAGNITUDE_CLASSES),
        depth_class=_classes(events["depth"], DEPTH_EDGES, DEPTH_CLASSES),
        local_day=events["time"].dt.tz_convert(timezone).dt.date,
    )


def _classes(numbers: pd.Series, edges: tuple, names: tuple) -> pd.Series:
    """The name of the interval that each number lies in; an edge belongs to the interval above it."""
    values = numbers.to_numpy(dtype="float64", na_value=np.nan)
    classes = pa.array(np.searchsorted(edges, values, side="right"), mask=np.isnan(values))
    return pd.Series(pa.array(names).take(classes), index=numbers.index, dtype=pd.ArrowDtype(pa.string()))


def to_frame(events: pa.Table) -> pd.DataFrame:
    """The events as a DataFrame with Arrow types: no value changes, integers may be missing."""
    return events.to_pandas(types_mapper=pd.ArrowDtype)


def to_table(events: pd.DataFrame) -> pa.Table:
    """The DataFrame as the table that is written (SCHEMA); raises when a column is missing or mistyped."""
    return pa.Table.from_pandas(events, schema=SCHEMA, preserve_index=False).replace_schema_metadata(None)
