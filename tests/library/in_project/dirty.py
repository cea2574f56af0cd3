"""Dirty catalogue files, and the transform of the example on them.

python dirty.py FOLDER      prints a hash of everything that the transform makes of 5,000 dirty rows
"""

import hashlib
import json
import os
import random
import re
import sys

from my_etl.datasets import read, steps
from my_etl.datasets.settings import load
from my_etl.datasets.store import Store
from my_etl.earthquakes.dataset import EARTHQUAKES

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


def record(row, names):
    """One CSV record, without its line end."""
    cells = [row.get(name, "") for name in names]
    return ",".join('"' + cell.replace('"', '""') + '"' if set(cell) & set(',"\n\r') else cell for cell in cells)


def put_raw(root, slices):
    """Write the slices (lists of records, the header not among them) as the raw day; the files by name."""
    header = ",".join(column.name for column in EARTHQUAKES.columns)
    files = {}
    for number, records in enumerate(slices):
        name = f"{number:04d}-of-{len(slices):04d}.csv"
        files[name] = "\n".join([header, *records, ""]).encode("utf-8", "surrogateescape")
        with Store(f"file://{root}").writing(f"raw/earthquakes/partition_date={DAY}/{name}") as sink:
            sink.write(files[name])
    return files


def transform(root, slices, share=1.0):
    """Transform the slices; counts, events, set apart, rejected rows, and the raw files by name."""
    files = put_raw(root, slices)
    os.environ |= {"ETL_DATA_ROOT": f"file://{root}", "ETL_MAX_REJECTED_SHARE": str(share)}
    settings = load()
    counts = steps.transform(EARTHQUAKES, DAY, settings)
    with Store(settings.data_root).open(f"rejected/earthquakes/partition_date={DAY}/earthquakes.jsonl") as file:
        rejected = [json.loads(line) for line in file]
    events, others = (
        sorted(json.dumps(row, default=str) for row in as_plain(read("earthquakes", DAY, folder=kind)))
        for kind in ("clean", "set_apart")
    )
    return counts, events, others, rejected, files


def one_day(url, slices):
    """Both DAGs' steps, in their order; the counts."""
    settings = load({"ETL_DATA_ROOT": url})
    fetched = [steps.fetch(EARTHQUAKES, part, settings) for part in steps.plan(EARTHQUAKES, [DAY], slices)]
    steps.publish(EARTHQUAKES, fetched, settings)
    return steps.transform(EARTHQUAKES, DAY, settings)


ID = re.compile(r"\d{8}T\d{9}-[0-9a-f]{8}")


def without_ids(files):
    """Files by path, but for when and by whom raw slices were fetched, which is in their names and what names them."""
    return {ID.sub("ID", path): _without_ids(path, content) for path, content in files.items()}


def _without_ids(path, content):
    if not path.endswith(".parquet"):
        return ID.sub("ID", content.decode(errors="surrogateescape"))
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.ParquetFile(pa.BufferReader(content)).read(use_threads=False)
    metadata = {name: ID.sub("ID", value.decode()) for name, value in table.schema.metadata.items()}
    return table.to_pylist(), table.schema.remove_metadata().to_string(show_field_metadata=True), metadata


def as_plain(frame):
    """The rows of a DataFrame as tuples of Python's own values, None where missing."""
    import pyarrow as pa

    columns = pa.Table.from_pandas(frame, preserve_index=False).to_pydict()
    return list(zip(*columns.values(), strict=True))


def random_rows(seed, count):
    """Dirty records, most of them good enough."""
    choose = random.Random(seed)
    columns = EARTHQUAKES.columns
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
    (root,) = sys.argv[1:]
    rows = random_rows(1, 5000)
    counts, *rest = transform(root, [rows[0::3], rows[1::3], rows[2::3]])
    print(json.dumps(counts))
    print(hashlib.sha256(repr(rest).encode("utf-8", "surrogateescape")).hexdigest())


if __name__ == "__main__":
    main()
