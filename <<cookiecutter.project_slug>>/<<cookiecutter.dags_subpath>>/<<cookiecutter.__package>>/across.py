"""What concerns a whole day, without ever holding one: eight bytes an event, a hash of its id."""

from collections.abc import Iterable

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from << cookiecutter.__package >>.cleaning import TYPED, last_of_each_id

BATCH = 128 * 1024  # rows
CANDIDATES = 100_000  # repeated ids that are looked at together


def older_records(files: list) -> list[np.ndarray]:
    """For each Parquet file, the numbers of the rows whose id has a newer record in another file, sorted.

    files: functions that open them. Within a file an id appears once.
    """
    hashes = [_hashes(file) for file in files]
    everything = np.sort(np.concatenate(hashes)) if hashes else np.array([], dtype=np.uint64)
    repeated = np.unique(everything[1:][everything[1:] == everything[:-1]])
    del everything
    older = [[] for _ in files]
    for start in range(0, len(repeated), CANDIDATES):
        some = repeated[start : start + CANDIDATES]
        rows = [np.flatnonzero(np.isin(of_file, some)) for of_file in hashes]
        candidates = pa.concat_tables([_take(file, chosen) for file, chosen in zip(files, rows, strict=True)])
        origin = np.repeat(np.arange(len(files)), [len(chosen) for chosen in rows])
        number = np.concatenate(rows)
        lost = np.ones(len(number), dtype=bool)
        lost[last_of_each_id(candidates)] = False
        for index in range(len(files)):
            older[index].append(number[lost & (origin == index)])
    return [np.sort(np.concatenate(found)) if found else np.array([], dtype=np.int64) for found in older]


def without(file, rows: np.ndarray) -> Iterable[pa.Table]:
    """The file's row groups without the rows of these numbers (sorted)."""
    parquet = pq.ParquetFile(file)
    first = 0
    for group in range(parquet.num_row_groups):
        table = parquet.read_row_group(group)
        keep = np.ones(table.num_rows, dtype=bool)
        inside = rows[np.searchsorted(rows, first) : np.searchsorted(rows, first + table.num_rows)]
        keep[inside - first] = False
        first += table.num_rows
        yield table.filter(pa.array(keep))


def batches(file, columns: list[str]) -> Iterable[pa.Table]:
    """These columns of a Parquet file, in tables of at most BATCH rows."""
    for batch in pq.ParquetFile(file).iter_batches(BATCH, columns=columns):
        yield pa.Table.from_batches([batch])


def changes(before: list, after: list) -> dict[str, int]:
    """How many events are new, changed (another `updated`) and gone between two versions of a day.

    before, after: functions that open their Parquet files.
    """
    known = np.sort(np.concatenate([_hashes(file, "updated") for file in before])) if before else _NONE
    ids = np.sort(np.concatenate([_hashes(file) for file in before])) if before else _NONE
    new = changed = found = 0
    for file in after:
        old_id = np.isin(_hashes(file), ids)
        same = np.isin(_hashes(file, "updated"), known)
        new += int((~old_id).sum())
        changed += int((old_id & ~same).sum())
        found += int(old_id.sum())
    return {"new": new, "changed": changed, "gone": len(ids) - found}


_NONE = np.array([], dtype=np.uint64)


def _hashes(open_file, also: str | None = None) -> np.ndarray:
    """A 64-bit hash of each row's id; of its id and the time in column `also` when that is given."""
    found = []
    with open_file() as file:
        for batch in pq.ParquetFile(file).iter_batches(BATCH, columns=["id", also] if also else ["id"]):
            values = pd.util.hash_array(batch.column("id").to_numpy(zero_copy_only=False), categorize=False)
            if also:
                times = batch.column(also).cast(pa.int64()).to_numpy().astype(np.uint64)
                values = values ^ pd.util.hash_array(times)
            found.append(values)
    return np.concatenate(found) if found else _NONE


def _take(open_file, rows: np.ndarray) -> pa.Table:
    """These rows (sorted numbers) of a Parquet file, in the contract's columns."""
    tables = [TYPED.empty_table()]
    first = 0
    with open_file() as file:
        for batch in pq.ParquetFile(file).iter_batches(BATCH, columns=TYPED.names):
            inside = (
                rows[np.searchsorted(rows, first) : np.searchsorted(rows, first + batch.num_rows)] - first
            )
            if len(inside):
                tables.append(pa.Table.from_batches([batch]).take(pa.array(inside)).cast(TYPED))
            first += batch.num_rows
    return pa.concat_tables(tables)
