"""Read, keep earthquakes and the newest of each id, write Parquet, nothing else: python bare.py TOOL CSV OUT"""

import json
import sys
import time

TOOL, SOURCE, TARGET = sys.argv[1:]


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
{"pandas": with_pandas, "polars": with_polars, "duckdb": with_duckdb}[TOOL]()
seconds, processor = time.perf_counter() - begin, time.process_time() - processor
peak = peak_mb()
print(json.dumps({"seconds": seconds, "processor": processor, "peak_mb": peak}))
