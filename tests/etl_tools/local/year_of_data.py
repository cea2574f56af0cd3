"""Writes a year of days as the library leaves them, into the folder that is named; run in a project's environment.

One day is missing, one is damaged, two commits and two contracts have made them, and two reasons reject rows: one of
them is what somebody who does not wish us well would send.
"""

import hashlib
import json
import math
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

ATTACK = "<script>document.title='taken'</script><img src=x onerror=document.title='taken'>"
FIRST, DAYS = date(2025, 1, 1), 365
MISSING, DAMAGED = "2025-03-05", "2025-06-07"
COMMITS = ("a" * 40, "b" * 40 + "-dirty")


def write(root: Path, name: str, slices: int) -> None:
    import pyarrow as pa  # the tests' own environment lacks it
    import pyarrow.parquet as pq

    fields = [
        pa.field("at", pa.timestamp("ms", "UTC"), False, {"description": "when it was ordered"}),
        pa.field("id", pa.string(), False),
        pa.field("price", pa.float64(), True, {"unit": "EUR", "description": "before <b>tax</b>"}),
        pa.field("pieces", pa.int64(), True),
        pa.field("paid", pa.bool_(), True),
        pa.field("place", pa.string(), True),
        pa.field("code", pa.string(), True),
        pa.field("nothing", pa.float64(), True),
    ]
    with_statistics = [one.name for one in fields if one.name != "place"]
    for number in range(DAYS):
        day = FIRST + timedelta(number)
        if str(day) == MISSING:
            continue
        was = [pa.field(one.name, pa.int64()) if one.name == "code" else one for one in fields]
        schema = pa.schema(fields if number > 9 else was)  # it was a number, once
        rows = 20 + int(15 * math.sin(number / 20))
        start = datetime(day.year, day.month, day.day, tzinfo=UTC)
        columns = {
            "at": [start + timedelta(minutes=row) for row in range(rows)],
            "id": [f"{day}-{row}" for row in range(rows)],
            "price": [None if row % 7 == 0 else row + number / 10 for row in range(rows)],
            "pieces": list(range(rows)),
            "paid": [row % 2 == 0 for row in range(rows)],
            "place": [ATTACK if row == 0 else "Berlin" if row % 3 else None for row in range(rows)],
            "code": [f"C{row}" if number > 9 else row for row in range(rows)],
            "nothing": [None] * rows,
        }
        rejected = number % 5
        counts = {"read": rows + rejected + 1, "clean": rows, "duplicates": 1, "set_apart": 0, "rejected": rejected}
        names = [f"{one:04d}-of-{slices:04d}.csv" for one in range(slices)]
        hashes = {one: hashlib.sha256(f"{day}{one}".encode()).hexdigest() for one in names}
        facts = {
            "counts": json.dumps(counts),
            "raw_sha256": json.dumps(hashes),
            "commit": COMMITS[number > 200],
            "contract": ("0123456789ab", "cdef01234567")[number > 300],
        }
        path = root / "clean" / name / f"partition_date={day}" / f"{name}.parquet"
        path.parent.mkdir(parents=True)
        table = pa.table(columns, schema=schema).replace_schema_metadata(facts)
        pq.write_table(table, path, use_dictionary=["place"], write_statistics=with_statistics)
        if str(day) == DAMAGED:
            path.write_bytes(b"PAR1 and no more")
        reasons = [
            f"price {f'{row}-'!r} is not a number; place {ATTACK!r} is longer than 10 characters"
            for row in range(rejected)
        ]
        folder = root / "rejected" / name / f"partition_date={day}"
        folder.mkdir(parents=True)
        records = [
            {"file": names[0], "line": row + 2, "reason": reason, "row": f"{day},{ATTACK},\x00"}
            for row, reason in enumerate(reasons)
        ]
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    waiting = root / "raw" / name / "partition_date=2026-01-01"
    waiting.mkdir(parents=True)
    (waiting / "manifest.json").write_text('{"files": {}}')


if __name__ == "__main__":
    for name, slices in (("orders", 2), ("visits", 24), ("events", 1440))[: int(sys.argv[2])]:
        write(Path(sys.argv[1]), name, slices)
