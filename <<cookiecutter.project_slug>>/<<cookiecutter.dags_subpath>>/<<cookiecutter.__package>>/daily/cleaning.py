"""From text to clean rows: types, rules, duplicates. No files, no Airflow."""

import datetime
from collections.abc import Callable

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from . import Column, Dataset
from .reading import Piece
from .settings import Permanent, bounds

TYPES = {
    "timestamp": pa.timestamp("ms", tz="UTC"),
    "date": pa.date32(),
    "number": pa.float64(),
    "integer": pa.int64(),
    "boolean": pa.bool_(),
    "text": pa.string(),
}
WANTED = {
    "timestamp": "is not a time with a zone, like 2018-02-01T00:00:00.000Z",
    "date": "is not a date, like 2018-02-01",
    "number": "is not a number",
    "integer": "is not a whole number",
    "boolean": "is neither true nor false",
}
PANDAS = {pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype(), pa.string(): pd.StringDtype("pyarrow")}
MAX_TEXT = 1_000  # characters; no column is for prose
TIMES = ("1900-01-01", "2200-01-01")  # of every timestamp, unless its column says another range

# (column, its value, the rule it breaks); column and value are empty when the rule is about the whole row.
Problem = tuple[str, str, str]
Reject = Callable[[int, list[Problem], bytes], None]


def schema(columns: tuple[Column, ...]) -> pa.Schema:
    """The columns as Parquet files have them; units and meanings are each field's metadata."""
    return pa.schema(
        [
            pa.field(c.name, TYPES[c.type], c.nullable, metadata={"unit": c.unit, "description": c.meaning})
            for c in columns
        ]
    )


def conform(dataset: Dataset, piece: Piece, day: str, reject: Reject) -> pa.Table:
    """The rows of `piece` that keep to the columns and rules of the dataset, typed.

    Every other row goes to reject(line, problems, text), with a problem for each rule that it breaks.
    """
    columns, complaints = [], {}
    for column in dataset.columns:
        text = piece.table[column.name].combine_chunks()
        values, broken_rules = _typed(text, column, day if column.name == dataset.time else None)
        columns.append(values)
        for rule, rows in broken_rules:
            for row in rows:
                complaints.setdefault(row, []).append((column.name, _excerpt(text[row]), rule))
    typed = pa.Table.from_arrays(columns, schema=schema(dataset.columns))
    kept = np.delete(np.arange(typed.num_rows), list(complaints))
    if dataset.rules and len(kept):
        frame = to_frame(typed.take(pa.array(kept)))
        for reason, rule in dataset.rules.items():
            for row in kept[as_mask(rule(frame), frame)].tolist():
                complaints.setdefault(row, []).append(("", "", reason))
    rejects = [(line, [("", "", reason)], text) for line, reason, text in piece.broken]
    rejects += [(int(piece.lines[row]), complaints[row], piece.text(row)) for row in complaints]
    for rejected in sorted(rejects):
        reject(*rejected)
    if complaints:
        keep = np.ones(typed.num_rows, dtype=bool)
        keep[list(complaints)] = False
        typed = typed.filter(pa.array(keep))
    return typed


def _typed(text: pa.Array, column: Column, day: str | None) -> tuple[pa.Array, list[tuple[str, list[int]]]]:
    """The column's values, null where unreadable, and its rules, each with the rows that break it.

    day: where the values must be, for the column that says to which day a row belongs.
    """
    rules = []
    if column.type == "text":
        blank = pc.utf8_is_space(text)
        values = text = pc.if_else(blank, None, text) if pc.any(blank).as_py() else text
        rules.append(
            (f"is longer than {MAX_TEXT} characters", _rows(pc.greater(pc.utf8_length(text), MAX_TEXT)))
        )
    else:
        readable = text
        if column.type == "integer":  # pyarrow reads 0x1F, too
            readable = pc.if_else(pc.match_substring(text, "x", ignore_case=True), "no", text)
        values, unreadable = _cast(readable, TYPES[column.type])
        rules.append((WANTED[column.type], unreadable))
        fits, range_ = _fits(values, column, day)
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


def _fits(values: pa.Array, column: Column, day: str | None) -> tuple[pa.Array, str]:
    """Which values are in the column's range, and the range in words."""
    low, high = column.low, column.high
    if day:
        start, end = bounds(day)
        before = end - datetime.timedelta(milliseconds=1)
        low, high, words = start, before, f"the day {day} (UTC)"
    elif column.type in ("timestamp", "date"):
        low, high = (given or usual for given, usual in zip((low, high), TIMES, strict=True))
        words = f"{low} to {high}"
        low, high = (
            datetime.datetime.fromisoformat(limit).replace(tzinfo=datetime.timezone.utc)
            for limit in (low, high)
        )
    else:
        words = " to ".join("any number" if limit is None else f"{limit:,}" for limit in (low, high))
    fits = pc.is_finite(values) if pa.types.is_floating(values.type) else pc.is_valid(values)
    if low is not None:
        fits = pc.and_(fits, pc.greater_equal(values, pa.scalar(low, values.type)))
    if high is not None:
        fits = pc.and_(fits, pc.less_equal(values, pa.scalar(high, values.type)))
    return fits, words


def _rows(mask: pa.Array) -> list[int]:
    """Where the mask is true; null is not true."""
    if not pc.any(mask).as_py():
        return []
    return np.flatnonzero(mask.fill_null(False).to_numpy(zero_copy_only=False)).tolist()


def _excerpt(value: pa.Scalar) -> str:
    text = value.as_py() or ""
    return text if len(text) <= 40 else text[:37] + "..."


def as_mask(mask, frame: pd.DataFrame) -> np.ndarray:
    """What a rule has returned as one truth value per row; missing is false."""
    return pd.Series(mask, index=frame.index).to_numpy(dtype=bool, na_value=False)


def newest(dataset: Dataset, table: pa.Table) -> tuple[pa.Table, int]:
    """The rows without those that have a newer one with the same key, in the order of time; and how many.

    Of equally new rows the one with the most values is kept, of those the one whose values come last: the
    result does not depend on the order of the rows.
    """
    keep = np.arange(table.num_rows)
    if dataset.keys and len(keep):
        codes = _codes(table.select(dataset.keys))
        repeated = np.flatnonzero(np.bincount(codes)[codes] > 1)
        if len(repeated):
            last = repeated[_last_of_each(codes[repeated], dataset, table.take(pa.array(repeated)))]
            keep = np.sort(np.append(np.delete(keep, repeated), last))
    dropped = table.num_rows - len(keep)
    if dataset.time and not _is_sorted(table[dataset.time]):
        by = [dataset.time, *dataset.keys]
        ordered = pc.sort_indices(
            table.select(by).take(pa.array(keep)), sort_keys=[(name, "ascending") for name in by]
        )
        keep = keep[ordered.to_numpy()]
    elif not dropped:
        return table, 0
    # A column at a time, so that no second copy of the table is in memory.
    names, columns = table.schema, table.columns
    del table
    rows = pa.array(keep)
    for number, column in enumerate(columns):
        columns[number] = column.take(rows)
    return pa.Table.from_arrays(columns, schema=names), dropped


def _codes(keys: pa.Table) -> np.ndarray:
    """The same number for rows with the same key, another for others."""
    texts = [pc.fill_null(pc.cast(column, pa.string()), "") for column in keys.columns]
    key = texts[0] if len(texts) == 1 else pc.binary_join_element_wise(*texts, "\x1f")
    return key.combine_chunks().dictionary_encode().indices.to_numpy()


def _last_of_each(codes: np.ndarray, dataset: Dataset, rows: pa.Table) -> np.ndarray:
    """Row numbers of the newest row of each code."""
    values = sum(
        column.is_valid().combine_chunks().to_numpy(zero_copy_only=False).astype(int)
        for column in rows.columns
    )
    others = [name for name in rows.column_names if name != dataset.newest]
    by = ["\0code", *([dataset.newest] if dataset.newest else []), "\0values", *others]
    rows = rows.append_column("\0code", pa.array(codes)).append_column("\0values", pa.array(values))
    keys = [(name, "ascending") for name in by]
    order = pc.sort_indices(rows, sort_keys=keys, null_placement="at_start").to_numpy()
    return order[np.append(codes[order][1:] != codes[order][:-1], True)]


def _is_sorted(times: pa.ChunkedArray) -> bool:
    values = times.combine_chunks().cast(pa.int64()).to_numpy(zero_copy_only=False)
    return bool((values[1:] >= values[:-1]).all())


def to_frame(table: pa.Table) -> pd.DataFrame:
    """The table as a DataFrame, each column freed when it is converted; see Dataset.clean for the types."""
    return table.to_pandas(
        types_mapper=PANDAS.get,
        date_as_object=False,
        split_blocks=True,
        self_destruct=True,
        use_threads=False,
    )


def to_table(frame: pd.DataFrame, dataset: Dataset) -> pa.Table:
    """The rows as they are written; Permanent when a column is missing, or not what it is said to be."""
    wanted = schema(dataset.columns + dataset.derived)
    arrays = []
    for field in wanted:
        if field.name not in frame:
            raise Permanent(f"clean() returns no column {field.name}.")
        try:
            array = pa.array(frame[field.name], from_pandas=True)
            array = array.cast(field.type)
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as problem:
            raise Permanent(
                f"clean() returns a column {field.name} that is no {field.type}: {problem}"
            ) from None
        if array.null_count and not field.nullable:
            raise Permanent(
                f"clean() returns a column {field.name} with missing values, which is not nullable."
            )
        arrays.append(array)
    return pa.Table.from_arrays(arrays, schema=wanted)
