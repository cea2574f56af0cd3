"""Read, keep earthquakes and the newest of each id, write Parquet, nothing else.

    python bare.py TOOL CSV OUT            or, of a day of cases.py:   python bare.py TOOL FOLDER OUT CASE

Of a case, rows with a `mag` that is no number are left out, too.
"""

import json
import sys
import time
from pathlib import Path

TOOL, SOURCE, TARGET, CASE = (*sys.argv[1:], "")[:4]


def with_pandas():
    events = pandas.read_csv(SOURCE, engine="pyarrow", dtype_backend="pyarrow")
    events = events[events["type"] == "earthquake"].sort_values("updated").drop_duplicates("id", keep="last")
    events.to_parquet(TARGET)


def with_polars():
    events = polars.read_csv(SOURCE, try_parse_dates=True).filter(polars.col("type") == "earthquake")
    events.sort("updated").unique("id", keep="last").write_parquet(TARGET)


def with_duckdb():
    duckdb.sql(
        f"copy (select * from read_csv('{SOURCE}') where type = 'earthquake' "
        f"qualify row_number() over (partition by id order by updated desc) = 1) to '{TARGET}' (format parquet)"
    )


def case_with_pandas():
    files = sorted(Path(SOURCE).iterdir())
    if CASE == "jsonl":
        table = pandas.read_json(files[0], lines=True, engine="pyarrow", dtype_backend="pyarrow")
    else:
        read = [pandas.read_csv(file, engine="pyarrow", dtype_backend="pyarrow") for file in files]
        table = pandas.concat(read) if len(read) > 1 else read[0]
    if CASE == "wide":
        table.drop_duplicates("id", keep="last").to_parquet(TARGET)
        return
    if "dirt" in CASE:
        table = table[pandas.to_numeric(table["mag"].astype("str"), errors="coerce").notna()]
    table = table[table["type"] == "earthquake"].sort_values("updated").drop_duplicates("id", keep="last")
    table.to_parquet(TARGET)


def case_with_duckdb():
    types = "" if CASE == "wide" else ", types = {'mag': 'double'}"
    rows = f"read_csv('{SOURCE}/*', store_rejects = true{types})"
    if CASE == "jsonl":
        rows = f"read_json('{SOURCE}/*', format = 'newline_delimited')"
    kept, newest = ("true", "id") if CASE == "wide" else ("type = 'earthquake'", "updated desc")
    duckdb.sql(
        f"copy (select * from {rows} where {kept} "
        f"qualify row_number() over (partition by id order by {newest}) = 1) to '{TARGET}' (format parquet)"
    )


def peak_mb():
    """Of this program alone; ru_maxrss would count what the starting process held."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024


if TOOL == "pandas":
    import pandas
elif TOOL == "polars":
    import polars
else:
    import duckdb

begin, processor = time.perf_counter(), time.process_time()
works = {"pandas": with_pandas, "polars": with_polars, "duckdb": with_duckdb}
if CASE:
    works = {"pandas": case_with_pandas, "duckdb": case_with_duckdb}
works[TOOL]()
seconds, processor = time.perf_counter() - begin, time.process_time() - processor
peak = peak_mb()
print(json.dumps({"seconds": seconds, "processor": processor, "peak_mb": peak}))
