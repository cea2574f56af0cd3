"""Frames and Parquet files: what is written of a day, and how all its readers see it."""

import json
import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from . import Column, Dataset
from .settings import Permanent
from .store import Store

log = logging.getLogger(__name__)

TYPES = {
    "timestamp": pa.timestamp("ms", tz="UTC"),
    "date": pa.date32(),
    "number": pa.float64(),
    "integer": pa.int64(),
    "boolean": pa.bool_(),
    "text": pa.string(),
}
# What pandas makes of them, where it would not keep a missing value beside the others as they are.
PANDAS = {pa.int64(): "Int64", pa.bool_(): "boolean", pa.date32(): "date32[day][pyarrow]"}
ROW_GROUP = 64 * 1024  # rows that are written at once


@cache
def schema(columns: tuple[Column, ...]) -> pa.Schema:
    """The columns as Parquet files have them; units and meanings are each field's metadata."""
    described = [(c, {"unit": c.unit, "description": c.meaning}) for c in columns]
    fields = [pa.field(c.name, arrow_type(c), c.nullable, words) for c, words in described]
    return for_pandas(pa.schema(fields))


def arrow_type(column: Column) -> pa.DataType:
    return pa.timestamp("us", "UTC") if column.digits == 6 else TYPES[column.type]


def for_pandas(wanted: pa.Schema) -> pa.Schema:
    """The schema with pandas' own metadata: whoever reads it with pandas gets the same types as read()."""
    described = [
        {
            "name": each.name,
            "field_name": each.name,
            "pandas_type": str(each.type),
            "numpy_type": PANDAS.get(each.type, "object"),
            "metadata": None,
        }
        for each in wanted
    ]
    words = {"index_columns": [], "column_indexes": [], "columns": described, "pandas_version": "2.1.4"}
    return wanted.with_metadata({"pandas": json.dumps(words)})


def unified(tables: dict[str, pa.Table], wanted: pa.Schema | None) -> pa.Table:
    """The tables of some days as one with the wanted columns; what a day lacks is null.

    wanted: None for all that any of them has. Permanent when a day's values do not fit the type of today.
    """
    plain = [table.schema.remove_metadata() for table in tables.values()]
    whole: pa.Schema = wanted if wanted is not None else pa.unify_schemas(plain, promote_options="permissive")
    found = []
    for day, table in tables.items():
        arrays = []
        for each in whole:
            there = each.name in table.column_names
            values = table[each.name] if there else pa.nulls(table.num_rows, each.type)
            try:
                arrays.append(values.cast(each.type))
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as problem:
                reason = f"{day} has a {each.name} that is no {each.type}: transform it again ({problem})."
                raise Permanent(reason) from None
        found.append(pa.Table.from_arrays(arrays, names=whole.names))
    return pa.concat_tables(found).replace_schema_metadata(for_pandas(whole).metadata)


def to_frame(table: pa.Table) -> pd.DataFrame:
    """The table as a DataFrame, its memory freed column by column; see Dataset.clean for the types."""
    return table.to_pandas(split_blocks=True, self_destruct=True, use_threads=False)


def prefetched(items: Iterator) -> Iterator:
    """The same items; while the caller works on one, a thread makes the next."""
    end = object()
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(next, items, end)
        while (item := coming.result()) is not end:
            coming = thread.submit(next, items, end)
            yield item


def write(file, dataset: Dataset, frame, mask, facts: dict[str, str]) -> None:
    """Write the rows where `mask` is true as Parquet."""
    columns = dataset.columns + dataset.derived
    wanted = schema(columns)
    wanted = wanted.with_metadata({**wanted.metadata, **facts})
    # A dictionary helps where values repeat, in text that is no key; statistics help elsewhere.
    repeating = [c.name for c in columns if c.type == "text" and c.name not in dataset.keys]
    others = [c.name for c in columns if c.name not in repeating]
    options = {"use_dictionary": repeating, "write_statistics": others, "compression": "zstd"}
    with pq.ParquetWriter(file, wanted, **options) as writer:
        for table in prefetched(row_groups(frame, mask, wanted)):
            writer.write_table(table)


def row_groups(frame: pd.DataFrame, mask: np.ndarray, wanted: pa.Schema) -> Iterator[pa.Table]:
    """The rows where `mask` is true as they are written, some at a time.

    Permanent when a column is missing, or of another type.
    """
    for start in range(0, len(frame), ROW_GROUP):
        part = slice(start, start + ROW_GROUP)
        if mask[part].any():
            rows = frame.iloc[part][mask[part]]
            yield pa.Table.from_arrays([array(rows, field) for field in wanted], schema=wanted)


def array(frame: pd.DataFrame, field: pa.Field) -> pa.Array:
    """A column that clean() returned, as it is written; Permanent when it is of another type."""
    if field.name not in frame:
        raise Permanent(f"clean() returns no column {field.name}.")
    try:
        found = pa.array(frame[field.name], from_pandas=True).cast(field.type)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, UnicodeError) as problem:
        raise Permanent(f"clean() returns a {field.name} that is no {field.type}: {problem}") from None
    if found.null_count and not field.nullable:
        raise Permanent(f"clean() returns rows without {field.name}, which is not nullable.")
    return found


def say_columns(store: Store, dataset: Dataset, path: str) -> None:
    """Write the columns of today where pandas looks first, so that none of a later day is dropped."""
    wanted = schema(dataset.columns + dataset.derived)
    try:
        old = pq.read_schema(pa.BufferReader(store.read(path)))
    except (FileNotFoundError, pa.ArrowInvalid):
        old = wanted.empty_table().schema.remove_metadata()
    if old.equals(wanted, check_metadata=True):
        return
    if old != wanted:
        others = sorted({each.name for each in set(old) ^ set(wanted)})
        words = "%s: not the columns of before (%s). Older days get them by transforming them again."
        log.warning(words, path, ", ".join(others))
    with store.writing(path) as sink:
        pq.write_table(wanted.empty_table(), sink)


def counts_in(store: Store, path: str) -> dict | None:
    """The counts in the metadata of a file; None where there is none."""
    try:
        with store.open(path) as file:
            return json.loads((pq.read_metadata(file).metadata or {}).get(b"counts", b"null"))
    except FileNotFoundError:
        return None
    except pa.ArrowInvalid as problem:
        log.warning("%s is damaged, and is replaced: %s", path, problem)
        return None
