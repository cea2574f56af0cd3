"""A day on an object store, twice and with fewer slices the second time; prints what there is as JSON.

Run by the Python of a baked project:  python on_s3.py PACKAGE DATA_ROOT
"""

import importlib
import json
import sys

PACKAGE, ROOT = sys.argv[1:]
DAY = "2018-02-01"


def main():
    datasets, extracting, settings, store, transforming = (
        importlib.import_module(f"{PACKAGE}.{name}")
        for name in ("datasets", "extracting", "settings", "store", "transforming")
    )
    chosen = settings.load({"ETL_DATA_ROOT": ROOT, "ETL_SOURCE": "sample"})
    for run, slices in (("first", 4), ("second", 2)):
        entries = [extracting.fetch(chosen, DAY, part, run) for part in extracting.plan(chosen, DAY, slices, run)]
        extracting.publish(chosen, DAY, entries, run)
        parts = [transforming.clean_slice(chosen, DAY, source, run) for source in transforming.plan(chosen, DAY, run)]
        counts = transforming.publish(chosen, DAY, transforming.check(chosen, DAY, parts, run), run)
    print(
        json.dumps(
            {
                "counts": counts,
                "events": len(datasets.events(chosen, DAY)),
                "files": store.Store(ROOT).files(""),
                "hashes": [entry["sha256"] for entry in datasets.clean(chosen, DAY).manifest()["files"]],
            }
        )
    )


if __name__ == "__main__":
    main()
