"""One step of the generated ETL in a process of its own; prints its seconds, processor seconds and peak memory as JSON.

Run by a baked project's Python, DAG folder on the path:  python step.py PACKAGE DATA_ROOT STEP [ARGUMENTS]
    generate ROWS SLICES   a raw day in the form of the service: real events under new ids and times, 2 % repeated
    clean NUMBER [NUMBER]  the transform of these slices
    again NUMBER [NUMBER]  the same, when the first of them has been done once before
    begin                  a new run of the day's transform
    finish RESULTS.json    check and publish of what the clean steps returned
    fetch URL              one slice from a service
"""

import importlib
import itertools
import json
import sys
import time
from datetime import datetime

PACKAGE, ROOT, STEP, *ARGUMENTS = sys.argv[1:]
DAY, RUN = "2018-02-01", "benchmark"


def module(name):
    return importlib.import_module(f"{PACKAGE}.{name}")


SETTINGS = module("settings").load({"ETL_DATA_ROOT": ROOT, "ETL_SOURCE": ARGUMENTS[0] if STEP == "fetch" else "sample"})


def generate(rows, slices):
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc
    from pyarrow import csv

    sample = module("sample")
    names = module("contract").COLUMN_NAMES
    options = csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()))
    events = pa.concat_tables([csv.read_csv(path, convert_options=options) for path in sample.FOLDER.glob("*.csv")])
    raw = module("datasets").raw(SETTINGS, DAY)
    raw.begin(RUN)
    choose = np.random.default_rng(1)
    edges = np.linspace(0, rows, slices + 1).astype(int)
    entries = []
    for number, (first, last) in enumerate(itertools.pairwise(edges)):
        count = last - first
        table = events.take(pa.array(choose.integers(0, len(events), count)))
        times = np.linspace(86_400_000 * first / rows, 86_400_000 * last / rows, count, endpoint=False).astype(int)
        ids = first + np.arange(count) - choose.integers(1, 5, count) * (choose.random(count) < 0.02)
        values = {
            "time": stamps(times, 0),
            "updated": stamps(times, 3_600_000),
            "id": pc.binary_join_element_wise("xx", pc.cast(pa.array(ids), pa.string()), ""),
        }
        for name, column in values.items():
            table = table.set_column(names.index(name), name, column)
        with raw.staging(RUN, "raw", f"slice-{number:04d}", ".csv") as staged:
            csv.write_csv(table, staged.sink, csv.WriteOptions(quoting_style="needed", quoting_header="none"))
        entries.append({**staged.entry, "rows": int(count)})
    raw.publish(RUN, entries, {})
    begin()


def begin():
    module("datasets").clean(SETTINGS, DAY).begin(RUN)


def stamps(milliseconds, later):
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    moments = np.datetime64(DAY, "ms") + (milliseconds + later).astype("timedelta64[ms]")
    return pc.binary_join_element_wise(pc.strftime(pa.array(moments), "%Y-%m-%dT%H:%M:%S"), "Z", "")


def clean(*numbers):
    sources = module("datasets").raw(SETTINGS, DAY).manifest()["files"]
    step = module("transforming").clean_slice
    return [step(SETTINGS, DAY, sources[int(number)], RUN) for number in numbers]


def finish(path):
    with open(path) as file:
        parts = json.load(file)
    transforming = module("transforming")
    return transforming.publish(SETTINGS, DAY, transforming.check(SETTINGS, DAY, parts, RUN), RUN)


def fetch(url):
    start, end = (datetime.fromisoformat(f"2018-02-0{n}T00:00:00+00:00") for n in (1, 2))
    store = module("store").Store(ROOT)
    with store.writing("fetched.csv") as sink:
        module("service").fetch(url, start, end, sink, row_limit=10**9)


def peak_mb():
    """Of this program alone; ru_maxrss would count what the starting process held."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024


def main():
    # What a worker has imported before it starts, and what the step imports, are not what is compared.
    for name in ("transforming", "service") if STEP == "fetch" else ("transforming", "reading", "across", "summary"):
        module(name)
    if STEP == "fetch":
        importlib.import_module("requests")
    else:
        importlib.import_module("pyarrow.parquet")
    module("datasets").raw(SETTINGS, DAY).manifest()  # connects to what the data lies on
    if STEP == "again":
        clean(ARGUMENTS[0])
    steps = {"generate": generate, "begin": begin, "clean": clean, "again": clean, "finish": finish, "fetch": fetch}
    wall, processor = time.perf_counter(), time.process_time()
    result = steps[STEP](*(int(a) if STEP == "generate" else a for a in ARGUMENTS))
    seconds, processor = time.perf_counter() - wall, time.process_time() - processor
    peak = peak_mb()
    print(json.dumps({"seconds": seconds, "processor": processor, "peak_mb": peak, "result": result}))


if __name__ == "__main__":
    main()
