"""From text to clean rows: types, rules, duplicates, clean(). No files, no Airflow."""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from functools import partial
from typing import Any, cast

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute

from . import MOMENT, Column, Csv, Dataset
from .parquet import array, arrow_type, prefetched, schema, to_frame
from .reading import Piece, together
from .settings import Permanent

# Its functions are made when it is imported: no type checker knows them.
pc: Any = pyarrow.compute
WORDS = {
    "timestamp": "is not a time with a zone, like 2018-02-01T00:00:00.000Z",
    "date": "is not a date, like 2018-02-01",
    "number": "is not a number",
    "integer": "is not a whole number",
    "boolean": "is neither true nor false",
}
# What values look like. What does and still cannot be read, like 30 February, has to be searched for, slowly.
DATE = r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])"
HOUR = r"([01]\d|2[0-3])"
TIME = rf"{DATE}[T ]{HOUR}(:[0-5]\d(:[0-5]\d(\.\d+)?)?)?"
OFFSET = rf"(Z|[+-]{HOUR}(:?[0-5]\d)?)"
LOOKS_LIKE = {
    "number": r"(?i)^\s*-?((\d+\.?\d*|\.\d+)(e[+-]?\d+)?|nan|inf|infinity)\s*$",
    "integer": r"^\s*-?\d+\s*$",
    "boolean": r"(?i)^(true|false|0|1)$",
    "date": f"^{DATE}$",
}
PLACE = "\0place"  # of a row in the raw files: see Piece.lines
TIMES = ("1900-01-01", "2200-01-01")  # of every time and date, unless its column says another range

Problems = dict[int, list[tuple[str, str, str]]]  # row or place → its problems


def clean_rows(
    dataset: Dataset, key: str, read: Callable[[], Iterator[Piece]], rejects
) -> tuple[pd.DataFrame, int, int]:
    """The rows of a day as clean() returns them, how many were read, and how many were duplicates.

    read() yields the pieces; rejects is a steps.Rejects.
    """
    # Arrow's own takes a quarter more time here; this one also gives memory back on demand.
    pool = pa.system_memory_pool()
    pa.set_memory_pool(pool)
    early, clean = early_rules(dataset), dataset.clean
    known: Problems = {}
    while True:
        rejects.restart()
        tables, count = _good_rows(dataset, key, read(), rejects, early, known)
        pool.release_unused()
        table, duplicates = newest(dataset, tables)
        pool.release_unused()
        places, table = table[PLACE].to_numpy(), table.drop_columns([PLACE])
        proof = table.select([*dataset.keys, *filter(None, [dataset.time])])
        frame = to_frame(table)
        del table
        index = frame.index
        frame = clean(frame) if clean else frame
        if frame is None:
            raise Permanent(f"{key}: clean() returned nothing: end it with `return frame`.")
        if len(frame) != len(places):
            found = f"{len(frame)} of {len(places)} rows"
            raise Permanent(f"{key}: clean() returned {found}: use Dataset.rules for bad ones.")
        # A row that is rejected now must not have hidden an older one with its key: all over, without it.
        if not (problems := late_problems(dataset, frame, early)):
            return frame, count, duplicates
        if set(frame.index) == set(range(len(places))):  # it may have been sorted
            if not frame.index.is_(index) and _moved(frame, list(problems), proof):
                raise Permanent(f"{key}: clean() moves rows and resets their index: use ignore_index=False.")
            places = places[frame.index]
        for row, broken in problems.items():
            known[int(places[row])] = broken


def _moved(frame: pd.DataFrame, rows: list[int], proof: pa.Table) -> bool:
    """Whether these rows are others than those that clean() got with their index, by key and time."""
    before = proof.take(pa.array(frame.index[rows]))
    there = [name for name in proof.column_names if name in frame]
    now = {name: pa.array(frame[name].iloc[rows], from_pandas=True).to_pylist() for name in there}
    return bool(there) and all(now[name] != before[name].to_pylist() for name in there)


def _good_rows(dataset: Dataset, key: str, pieces, rejects, rules, known: dict) -> tuple[list[pa.Table], int]:
    """Tables of the rows that keep to the columns and rules, and how many rows were read."""
    rows, broken, names, tables = 0, 0, set(), []
    for piece in prefetched(together(pieces)):
        rows += piece.table.num_rows
        broken += len(piece.broken)
        names.update(piece.names)
        tables.append(conform(dataset, piece, key, rejects, rules, known))
    if rows and dataset.suffix == "jsonl":
        dataset.check_names(names, f"{dataset.name} of {key}")
    if not tables:
        empty = schema(dataset.columns).append(pa.field(PLACE, pa.int64()))
        tables = [empty.empty_table()]
    return tables, rows + broken


def conform(
    dataset: Dataset,
    piece: Piece,
    key: str,
    reject: Callable[[int, list, bytes], None],
    rules: Mapping[str, Callable] | None = None,
    known: Problems | None = None,
) -> pa.Table:
    """The rows of `piece` that keep to the columns and rules of the dataset, typed, and their PLACE.

    Every other row goes to reject(place, problems, text). A problem is a column, its value, and the rule that
    it breaks; when the rule is about the whole row, column and value are empty.
    rules: those that need no derived columns. known: the problems of places that are known before.
    """
    columns: list[pa.Array] = []
    complaints: Problems = {}
    for column in dataset.columns:
        text = piece.table[column.name].combine_chunks()
        within = (dataset, key) if column.name == dataset.time else None
        values, broken = typed_values(text, column, within, dataset.csv)
        columns.append(values)
        _complain(complaints, column, partial(piece.cells, column.name), broken)
    typed = pa.Table.from_arrays(columns, schema=schema(dataset.columns))
    if rules := dataset.rules if rules is None else rules:
        good = np.setdiff1d(np.arange(typed.num_rows), list(complaints))
        frame = to_frame(typed.take(pa.array(good)))
        for reason, rule in rules.items():
            for row in good[as_mask(rule(frame), frame)].tolist():
                complaints.setdefault(row, []).append(("", "", reason))
    known = known or {}
    for row in np.flatnonzero(np.isin(piece.lines, list(known))).tolist():
        complaints.setdefault(row, []).extend(known[int(piece.lines[row])])
    rejects = [(line, [("", "", reason)], text) for line, reason, text in piece.broken]
    rejects += [(int(piece.lines[row]), problems, piece.text(row)) for row, problems in complaints.items()]
    for line, problems, text in sorted(rejects):
        reject(line, problems, text.rstrip(b"\r\n"))
    typed = typed.append_column(PLACE, pa.array(piece.lines))
    if complaints:
        typed = typed.filter(pa.array(~np.isin(np.arange(typed.num_rows), list(complaints))))
    return typed


def _complain(
    complaints: Problems, column: Column, cells: Callable[[pa.Array], list], broken: dict[str, pa.Array]
) -> None:
    """Add for each row what it breaks; the value is the start of its text. cells: of some rows."""
    for rule, mask in broken.items():
        rows = pc.indices_nonzero(mask)
        for row, cell in zip(rows.to_pylist(), cells(rows) if len(rows) else [], strict=True):
            value = "" if cell is None else str(cell)
            value = value if len(value) <= 40 else value[:37] + "..."
            complaints.setdefault(row, []).append((column.name, value, rule))


def early_rules(dataset: Dataset) -> dict[str, Callable]:
    """The rules that need no derived column, found by a try on no rows."""
    derived, early = {column.name for column in dataset.derived}, {}
    for reason, rule in dataset.rules.items():
        try:
            rule(to_frame(schema(dataset.columns).empty_table()))
        except (KeyError, AttributeError) as problem:
            if derived & {getattr(problem, "name", None), *problem.args}:
                continue
        except Exception:  # noqa: S110  its error comes when it judges rows
            pass
        early[reason] = rule
    return early


def late_problems(dataset: Dataset, frame: pd.DataFrame, early: Mapping[str, Callable]) -> Problems:
    """What rows break once clean() has made the derived columns: their limits, and rules that need them."""
    complaints: Problems = {}
    for column, field in zip(dataset.derived, schema(dataset.derived), strict=True):
        values = array(frame, field)

        def cells(rows, values=values):
            return values.take(rows).to_pylist()

        _complain(complaints, column, cells, _limits(values, column))
    for reason, rule in dataset.rules.items():
        if reason not in early:
            for row in np.flatnonzero(as_mask(rule(frame), frame)).tolist():
                complaints.setdefault(row, []).append(("", "", reason))
    return complaints


def not_one(column: Column) -> str:
    """The problem of a value that cannot be read."""
    if column.format:
        return f"is not a {column.type} like {MOMENT.strftime(column.format)}"
    return f"is not a time in {column.zone}, like 2018-02-01 00:00:00" if column.zone else WORDS[column.type]


def typed_values(
    text: pa.Array, column: Column, within: tuple | None, words: Csv
) -> tuple[pa.Array, dict[str, pa.Array]]:
    """The column's values, null where unreadable, and its rules, each with a mask of the rows that break it.

    within: the dataset and the key of the period where the values must be, for the column `time`.
    """
    rules = {}
    if column.type == "text":
        blank = pc.utf8_is_space(text)
        values = text = pc.if_else(blank, None, text) if pc.any(blank).as_py() else text
    elif text.type != pa.string():
        values = text  # typed in JSON already
    else:
        readable = text = _plain(text, column, words)
        if column.type == "integer":  # pyarrow reads 0x1F, too
            readable = pc.if_else(pc.match_substring(pc.ascii_lower(text), "x"), "no", text)
        values = _cast(readable, column, within)
        if values.null_count > text.null_count:
            rules[not_one(column)] = pc.and_(values.is_null(), text.is_valid())
    rules |= _limits(values, column, within)
    if text.null_count and (within or not column.nullable):
        rules["is missing"] = text.is_null()
    return values, rules


def _plain(text: pa.Array, column: Column, words: Csv) -> pa.Array:
    """The text as it would be in English; null for the words that mean that there is no value."""
    if words.nulls:
        text = pc.if_else(pc.is_in(text, pa.array(words.nulls, pa.string())), None, text)
    if column.type in ("number", "integer") and (words.decimal, words.thousands) != (".", ""):
        if words.thousands:
            decimal, thousands = re.escape(words.decimal), re.escape(words.thousands)
            grouped = pc.match_substring_regex(text, rf"^[+-]?\d{{1,3}}({thousands}\d{{3}})+({decimal}\d*)?$")
            text = pc.if_else(grouped, pc.replace_substring(text, words.thousands, ""), text)
        if words.decimal != ".":  # a point is no mark then: what has one is no number
            text = pc.replace_substring(pc.replace_substring(text, ".", "?"), words.decimal, ".")
    if column.type == "boolean":
        small = pc.utf8_lower(text)
        for value, meaning in (("true", words.true), ("false", words.false)):
            text = pc.if_else(pc.is_in(small, pa.array(meaning, pa.string())), value, text)
    return text


def _limits(values: pa.Array, column: Column, within: tuple | None = None) -> dict[str, pa.Array]:
    """The rule of the column's range or length, with a mask of the values that break it."""
    if column.type == "text":
        # Bytes are counted faster than characters.
        if (pc.max(pc.binary_length(values)).as_py() or 0) <= column.longest:
            return {}
        words = f"is longer than {column.longest} characters"
        return {words: pc.greater(pc.utf8_length(values), column.longest)}
    low, high, words = _range(column, within)
    broken = pc.invert(pc.is_finite(values)) if column.type == "number" else None
    for limit, is_beyond in ((low, pc.less), (high, pc.greater)):
        if limit is not None:
            beyond = is_beyond(values, pa.scalar(limit, values.type))
            broken = beyond if broken is None else pc.or_(broken, beyond)
    return {} if broken is None else {f"is outside {words}": broken}


def _range(column: Column, within: tuple | None) -> tuple[Any, Any, str]:
    """The least and the greatest value, None where there is none; and both in words."""
    if within:
        period, key = within[0].periods, within[1]
        first, end = period.bounds(key)
        last = end - timedelta(microseconds=10 ** (6 - column.digits))
        return first, last, f"the {period.name} {key} ({period.calendar})"
    low, high = column.low, column.high
    if column.is_time:
        low, high = low or TIMES[0], high or TIMES[1]
    words = [f"{each:,}" if isinstance(each, int | float) else each or "any" for each in (low, high)]
    return column.limit(low), column.limit(high), " to ".join(words)


def _cast(text: pa.Array, column: Column, within: tuple | None = None) -> pa.Array:
    """The values, null where the text cannot be read."""
    if column.type == "timestamp":
        return _moments(text, column, within).cast(arrow_type(column), safe=False)
    to = arrow_type(column)
    if column.format:
        return _formatted(text, column).cast(to)
    try:
        return pc.cast(text, to)  # the common case, fast: all can be read
    except pa.ArrowInvalid:
        pass
    if column.type in ("number", "integer"):
        text = pc.replace_substring_regex(text, r"^\+", "")
    if column.type == "integer":
        text = pc.replace_substring_regex(text, r"^(-?\d+)\.0*$", r"\1")
    return _halved(_only(text, LOOKS_LIKE.get(column.type, ".*")), to)


def _moments(text: pa.Array, column: Column, within: tuple | None = None) -> pa.Array:
    """Times with a zone, and others in the column's, in UTC to the digit; null where they cannot be read."""
    to, local = pa.timestamp("us", "UTC"), pa.timestamp("us")
    try:  # the common case, fast: all are alike
        if column.format:
            values = _formatted(text, column)
            values = values if values.type == to else _in_utc(values, column, within)
        else:
            values = _in_utc(pc.cast(text, local), column, within) if column.zone else pc.cast(text, to)
    except pa.ArrowInvalid:
        text = pc.replace_substring_regex(text, r"(\.\d{6})\d+", r"\1")
        values = _halved(_only(text, f"^{TIME}{OFFSET}$"), to)
        if column.zone:
            times = _halved(_only(text, f"^{TIME}$"), local)
            values = pc.coalesce(values, _in_utc(times, column, within))
    if column.digits == 6:
        return values
    return pc.floor_temporal(values.cast(local), unit="millisecond").cast(to)  # six times as fast without UTC


def _formatted(text: pa.Array, column: Column) -> pa.Array:
    """Times as the column's format has them, in UTC where it has an offset; null where they are not so."""
    utc = "%z" in column.format
    different = text.dictionary_encode()  # most are there more than once
    found = pd.to_datetime(different.dictionary.to_pandas(), format=column.format, errors="coerce", utc=utc)
    to = pa.timestamp("us", "UTC" if utc else None)
    return pa.array(found, to, from_pandas=True, safe=False).take(different.indices)


def _in_utc(local: pa.Array, column: Column, within: tuple | None) -> pa.Array:
    """Times of the column's zone; null for those that its clocks skip in spring.

    Of the two meanings that a time has in autumn it is the first, unless that is before the period begins.
    """
    moments = pc.assume_timezone(local, column.zone, ambiguous="earliest", nonexistent="latest")
    if within:
        start = pa.scalar(within[0].periods.bounds(within[1])[0], moments.type)
        second = pc.assume_timezone(local, column.zone, ambiguous="latest", nonexistent="latest")
        moments = pc.if_else(pc.less(moments, start), second, moments)
    skipped = pc.not_equal(pc.local_timestamp(moments), local)
    return pc.if_else(skipped, None, moments).cast(pa.timestamp("us", "UTC"))


def _only(text: pa.Array, pattern: str) -> pa.Array:
    return pc.if_else(pc.match_substring_regex(text, pattern), text, None)


def _halved(text: pa.Array, to: pa.DataType) -> pa.Array:
    """The values, null where the text cannot be read: halves the column until it finds those."""
    try:
        return pc.cast(text, to)
    except pa.ArrowInvalid:
        if len(text) == 1:
            return pa.nulls(1, to)
    middle = len(text) // 2
    return pa.concat_arrays([_halved(text[:middle], to), _halved(text[middle:], to)])


def as_mask(mask, frame: pd.DataFrame) -> np.ndarray:
    """What a rule has returned as one truth value per row; missing is false."""
    return pd.Series(mask, index=frame.index).to_numpy(dtype=bool, na_value=False)


def newest(dataset: Dataset, tables: list[pa.Table]) -> tuple[pa.Table, int]:
    """The rows without those that have a newer one with the same key, in the order of time; and how many.

    The list is emptied: no second copy of the rows is to be in memory.
    Of equally new rows the one with the most values is kept, of those the one whose values come last: the
    result does not depend on the order of the rows.
    """
    table = pa.concat_tables(tables)
    tables.clear()
    keep = np.ones(table.num_rows, dtype=bool)
    if dataset.keys:
        hashes = _hashes(table.select(dataset.keys))
        ordered = np.sort(hashes)
        twice = pa.array(ordered[1:][ordered[1:] == ordered[:-1]])
        repeated = pc.is_in(pa.array(hashes), value_set=twice).to_numpy(zero_copy_only=False)
        if repeated.any():
            keep = ~repeated
            keep[np.flatnonzero(repeated)[_last_of_each(dataset, table.filter(pa.array(repeated)))]] = True
    rows = None if keep.all() else pa.array(keep)
    if dataset.time and (np.diff(table[dataset.time].cast(pa.int64()).to_numpy()) < 0).any():
        by = [(name, "ascending") for name in (dataset.time, *dataset.keys)]
        order = pc.sort_indices(table, sort_keys=by).to_numpy()
        rows = pa.array(order[keep[order]])
    if rows is None:
        return table, 0
    kept, columns = table.schema, table.columns
    del table
    for number, column in enumerate(columns):
        columns[number] = column.filter(rows) if rows.type == pa.bool_() else column.take(rows)
    return pa.Table.from_arrays(columns, schema=kept), int((~keep).sum())


def _hashes(keys: pa.Table) -> np.ndarray:
    """The same number for rows with the same key, most likely another one for others."""
    found = [np.array([], np.uint64)]
    for batch in keys.to_batches():
        texts = [column.cast(pa.string()).to_numpy(zero_copy_only=False) for column in batch.columns]
        hashes: list[Any] = [cast(Any, pd).util.hash_array(text, categorize=False) for text in texts]
        found.append(cast(Any, sum(number * (2 * n + 1) for n, number in enumerate(hashes))))
    return np.concatenate(found)


def _last_of_each(dataset: Dataset, rows: pa.Table) -> np.ndarray:
    """Row numbers of the newest row of each key."""
    keys = [rows[name] for name in dataset.keys]
    time = [rows[dataset.newest]] if dataset.newest else []
    newest = [column.is_valid() for column in time] + time  # none is older than any
    values = sum(column.is_valid().to_numpy().astype(int) for column in rows.columns)
    by = pa.table({str(n): column for n, column in enumerate([*keys, *newest, values, *rows.columns])})
    found = pc.sort_indices(by, sort_keys=[(name, "ascending") for name in by.column_names]).to_numpy()
    ordered = rows.select(dataset.keys).take(pa.array(found)).to_pandas()
    return found[~ordered.duplicated(keep="last")]
