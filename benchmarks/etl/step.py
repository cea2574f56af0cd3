"""One step of the generated ETL in a process of its own; prints its seconds, processor seconds and peak memory as JSON.

Run by a baked project's Python, DAG folder on the path:  python step.py PACKAGE DATA_ROOT STEP [ARGUMENTS]
    generate ROWS SLICES [DAY]  a raw day in the form of the service: real events under new ids and times, 2 % repeated
    transform [DAY ...]         the transform of these days, one after the other
    again [DAY]                 the same, when it has been done once before
    write CASE ROWS             a raw day of cases.py
    case CASE                   the transform of that day
    fetch URL                   one slice from a service
"""

import importlib
import itertools
import json
import sys
import time

import cases

PACKAGE, ROOT, STEP, *ARGUMENTS = sys.argv[1:]
DAY = "2018-02-01"


def module(name):
    return importlib.import_module(f"{PACKAGE}.{name}")


DATASET = module("earthquakes.dataset").EARTHQUAKES
SETTINGS = module("datasets.settings").load({"ETL_DATA_ROOT": ROOT})


def generate(rows, slices, day=DAY):
    import numpy as np
    from pyarrow import csv

    table, store = events(int(rows), day), module("datasets.store").Store(ROOT)
    edges = np.linspace(0, len(table), int(slices) + 1).astype(int)
    for number, (first, last) in enumerate(itertools.pairwise(edges)):
        with store.writing(f"raw/{DATASET.name}/partition_date={day}/{number:04d}-of-{int(slices):04d}.csv") as sink:
            part = table.slice(first, last - first)
            csv.write_csv(part, sink, csv.WriteOptions(quoting_style="needed", quoting_header="none"))


def events(rows, day):
    """A table of texts."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc
    from pyarrow import csv

    options = csv.ConvertOptions(column_types={column.name: pa.string() for column in DATASET.columns})
    sample = module("earthquakes.source").SAMPLE
    samples = pa.concat_tables([csv.read_csv(path, convert_options=options) for path in sorted(sample.glob("*.csv"))])
    choose = np.random.default_rng(1)
    table = samples.take(pa.array(choose.integers(0, len(samples), rows)))
    times = np.linspace(0, 86_400_000, rows, endpoint=False).astype(int)
    ids = np.arange(rows) - choose.integers(1, 5, rows) * (choose.random(rows) < 0.02)
    values = {
        "time": stamps(day, times, 0),
        "updated": stamps(day, times, 3_600_000),
        "id": pc.binary_join_element_wise("xx", pc.cast(pa.array(ids), pa.string()), ""),
    }
    for name, column in values.items():
        table = table.set_column(table.schema.get_field_index(name), name, column)
    return table


def stamps(day, milliseconds, later):
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    moments = np.datetime64(day, "ms") + (milliseconds + later).astype("timedelta64[ms]")
    return pc.binary_join_element_wise(pc.strftime(pa.array(moments), "%Y-%m-%dT%H:%M:%S"), "Z", "")


def transform(*days):
    return [module("datasets.steps").transform(DATASET, day, SETTINGS, accept=True) for day in days or [DAY]]


def write(case, rows):
    store = module("datasets.store").Store(ROOT)
    cases.write(case, cases.dataset(case, DATASET), store, events(int(rows), DAY), DAY)


def case(name):
    settings = module("datasets.settings").load({"ETL_DATA_ROOT": ROOT, "ETL_MAX_REJECTED_SHARE": "1"})
    return module("datasets.steps").transform(cases.dataset(name, DATASET), DAY, settings, accept=True)


def fetch(url):
    store, client = module("datasets.store").Store(ROOT), module("datasets.client")
    with store.writing("fetched.csv") as sink:
        client.download_csv(url, sink, check=DATASET.header)


def peak_mb():
    """Of this program alone; ru_maxrss would count what the starting process held."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024


def main():
    # What a worker has imported before it starts, and what the step imports, are not what is compared.
    if STEP == "fetch":
        importlib.import_module("requests")
    else:
        module("datasets.contract")
        importlib.import_module("pyarrow.parquet")
    module("datasets.store").Store(ROOT).files("raw")  # connects to where the data is
    if STEP == "again":
        transform(*ARGUMENTS)
    steps = {"generate": generate, "transform": transform, "again": transform, "fetch": fetch}
    steps |= {"write": write, "case": case}
    wall, processor = time.perf_counter(), time.process_time()
    result = steps[STEP](*ARGUMENTS)
    seconds, processor = time.perf_counter() - wall, time.process_time() - processor
    print(json.dumps({"seconds": seconds, "processor": processor, "peak_mb": peak_mb(), "result": result}))


if __name__ == "__main__":
    main()
