"""Raw days that are not the ordinary one, for step.py: what they look like, and the dataset that reads them.

clean, 4 % dirt (a decimal comma in `mag`), an all-dirty column, microseconds, JSON lines, 1,440 slices, and 2,000
columns; all but the last have the columns of the earthquakes.
"""

import dataclasses
import itertools
import json

CASES = ("clean", "dirt", "all-dirty", "microseconds", "jsonl", "slices", "wide")
WIDE = 2_000  # columns; the file has as many cells as an ordinary one would with a row for each
SHARE = 0.04


def dataset(case, earthquakes):
    if case == "wide":
        kind, column = type(earthquakes), type(earthquakes.columns[0])
        columns = (column("id", "text", nullable=False), *(column(f"c{n}", "number") for n in range(1, WIDE)))
        return kind("wide", columns, None, kind="events", key="id")
    return dataclasses.replace(earthquakes, format="jsonl" if case == "jsonl" else "csv")


def write(case, data, store, table, day):
    """Write the raw day of `table`, which has the rows of an ordinary one as text."""
    import pyarrow as pa
    import pyarrow.compute as pc
    from pyarrow import csv

    if case == "wide":
        table = wide(len(table) * table.num_columns // WIDE)
    if case in ("dirt", "all-dirty"):
        every = 1 if case == "all-dirty" else round(1 / SHARE)
        bad = pa.array([number % every == 0 for number in range(len(table))])
        table = put(table, "mag", pc.if_else(bad, "1,5", table["mag"]))
    if case == "microseconds":
        for name in ("time", "updated"):
            table = put(table, name, pc.replace_substring(table[name], "Z", ".123456Z"))
    slices = 1_440 if case == "slices" else 1
    edges = [len(table) * number // slices for number in range(slices + 1)]
    for number, (first, last) in enumerate(itertools.pairwise(edges)):
        path = f"raw/{data.name}/partition_date={day}/{number:04d}-of-{slices:04d}.{data.suffix}"
        with store.writing(path) as sink:
            part = table.slice(first, last - first)
            if case == "jsonl":
                sink.writelines(json_lines(part, data))
            else:
                csv.write_csv(part, sink, csv.WriteOptions(quoting_style="needed", quoting_header="none"))


def put(table, name, column):
    return table.set_column(table.schema.get_field_index(name), name, column)


def wide(rows):
    import numpy as np
    import pyarrow as pa

    cells = np.random.default_rng(1).random((WIDE, rows)).round(4)
    ids = pa.array([f"id{number}" for number in range(rows)])
    return pa.table({"id": ids, **{f"c{number}": cells[number] for number in range(1, WIDE)}})


def json_lines(table, data):
    """Numbers as numbers, with the digits that they have in the CSV."""
    numbers = {column.name for column in data.columns if column.type in ("number", "integer")}
    cells = []
    for name in table.column_names:
        values = [value or None for value in table[name].to_pylist()]
        plain = (value or "null" for value in values) if name in numbers else map(json.dumps, values)
        cells.append([f'"{name}": {value}' for value in plain])
    for row in zip(*cells, strict=True):
        yield ("{" + ", ".join(row) + "}\n").encode()
