"""Dirty catalogue files, and the generated ETL's transform on them. Needs a baked project's DAG folder on the path.

python dirty.py PACKAGE FOLDER      prints a hash of everything that the transform makes of 5,000 dirty rows
"""

import dataclasses
import hashlib
import importlib
import json
import random
import sys

DAY = "2018-02-01"

GOOD = {
    "time": "2018-02-01T01:00:00.000Z",
    "latitude": "37.5",
    "longitude": "-118.8",
    "depth": "1.1",
    "mag": "0.5",
    "magType": "md",
    "nst": "10",
    "net": "nc",
    "id": "nc1",
    "updated": "2018-02-01T02:00:00.000Z",
    "place": "8km E of Mammoth Lakes, CA",
    "type": "earthquake",
    "status": "reviewed",
}


def words(text):
    return text.split()


# What has been seen in real files, and worse.
CELLS = {
    "number": [
        *words("1 -1 0 +1 1e3 -0.0 91 -181 1e999 nan NaN inf -inf 0x10 1,5 1_000 ٣ ten - . 12."),
        *("", " ", " 1", "1\n"),
    ],
    "integer": [*words("0 7 007 -3 1.0 1e2 99999999999999999999 x"), "", " 7"],
    "timestamp": [
        *words("2018-02-01T00:00:00.000Z 2018-02-01T23:59:59.999Z 2018-02-02T00:00:00.000Z 2018-02-01T12:00:00Z"),
        *words(
            "2018-02-01T12:00:00 2018-02-01T12:00:00+05:30 2018-02-01T01:00:00-0800 2018-02-01 2018-02-30T00:00:00Z"
        ),
        *words("0001-01-01T00:00:00Z 9999-12-31T23:59:59Z 2018-02-01T24:00:00Z 2018-02-01T12:00:00.123456Z 1517443200"),
        *("", "now", "2018-02-01 12:00:00.500Z"),
    ],
    "text": [
        *("", "a", "b", "earthquake", "quarry blast", " earthquake", "Ōsaka 🌏", 'say "hi"', "a,b", "a\nb", "a\r\nb"),
        *("\x00", "null", "NA", "x" * 2000),
    ],
}
BROKEN = ["a,b", ",", '"', "x" * 100, "1,2,3,4", "\t", ";;;;", '""', "a\rb", "\udcff,"]


def modules(package):
    """The project's modules that the functions here work with, under short names."""
    names = ("cleaning", "contract", "datasets", "reading", "settings", "transforming")
    return {name: importlib.import_module(f"{package}.{name}") for name in names}


def record(row, names):
    """One CSV record, without its line end."""
    cells = [row.get(name, "") for name in names]
    return ",".join('"' + cell.replace('"', '""') + '"' if set(cell) & set(',"\n\r') else cell for cell in cells)


def transform(package, root, slices, share=1.0):
    """Publish the slices (lists of records) as a raw day and transform it; counts, events, set apart, rejected rows."""
    m = modules(package)
    settings = dataclasses.replace(m["settings"].load({"ETL_DATA_ROOT": f"file://{root}"}), max_rejected_share=share)
    raw, clean = m["datasets"].raw(settings, DAY), m["datasets"].clean(settings, DAY)
    raw.begin("raw")
    entries = []
    for number, records in enumerate(slices):
        with raw.staging("raw", "raw", f"slice-{number:04d}", ".csv") as staged:
            header = ",".join(m["contract"].COLUMN_NAMES)
            staged.sink.write("\n".join([header, *records, ""]).encode("utf-8", "surrogateescape"))
        entries.append({**staged.entry, "rows": 0})
    raw.publish("raw", entries, {})
    run = m["transforming"]
    parts = [run.clean_slice(settings, DAY, source, "run") for source in run.plan(settings, DAY, "run")]
    counts = run.publish(settings, DAY, run.check(settings, DAY, parts, "run"), "run")
    rejected = []
    for entry in clean.manifest()["files"]:
        if entry["folder"] == "rejected":
            rejected += [json.loads(line) for line in clean.store.read(clean.path(entry)).splitlines()]
    events, others = (
        sorted(json.dumps(row, default=str) for row in as_plain(m["datasets"].events(settings, DAY, folder)))
        for folder in ("clean", "set_apart")
    )
    files = {entry["name"]: raw.store.read(raw.path(entry)) for entry in entries}
    return counts, events, others, rejected, files


def as_plain(frame):
    """The rows of a DataFrame as tuples of Python's own values, None where missing."""
    import pyarrow as pa

    columns = pa.Table.from_pandas(frame, preserve_index=False).to_pydict()
    return list(zip(*columns.values(), strict=True))


def random_rows(package, seed, count):
    """Dirty records, most of them good enough."""
    choose = random.Random(seed)
    columns = modules(package)["contract"].COLUMNS
    rows = []
    for _ in range(count):
        row = {**GOOD, "id": f"nc{choose.randrange(count)}", "mag": str(choose.randrange(-10, 90) / 10)}
        for column in columns:
            if choose.random() < 0.02:
                row[column.name] = choose.choice(CELLS[column.type])
        rows.append(record(row, [column.name for column in columns]))
        if choose.random() < 0.01:
            rows.append(choose.choice(BROKEN))
    return rows


def main():
    package, root = sys.argv[1:]
    rows = random_rows(package, 1, 5000)
    counts, *rest = transform(package, root, [rows[0::3], rows[1::3], rows[2::3]])
    del counts["bytes"]  # of Parquet files, which each version of the writer compresses in its way
    print(json.dumps(counts))
    print(hashlib.sha256(repr(rest).encode("utf-8", "surrogateescape")).hexdigest())


if __name__ == "__main__":
    main()
