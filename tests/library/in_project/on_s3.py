"""A day on an object store: twice, with fewer slices the second time, then by two runs at once; prints what there is.

Run by the Python of a baked project:  python on_s3.py DATA_ROOT
"""

import json
import multiprocessing
import os
import sys

from dirty import DAY, one_day, without_ids
from my_etl.datasets import read, steps
from my_etl.datasets.settings import Permanent
from my_etl.datasets.store import Store

ROOT = os.environ["ETL_DATA_ROOT"] = sys.argv[1]


def events():
    return len(read("earthquakes", DAY))


def run(slices):
    """A day as a task; what it says when another run has fetched the day since."""
    try:
        one_day(ROOT, slices)
    except Permanent as problem:
        return str(problem)
    return "done"


def files():
    store, found = Store(ROOT), {}
    for kind in ("raw", "clean", "set_apart", "rejected"):
        folder = steps.folder(kind, "earthquakes", DAY)
        for name in store.files(folder):
            with store.open(f"{folder}/{name}") as file:
                found[f"{folder}/{name}"] = file.read()
    return found


def main():
    one_day(ROOT, 4)
    counts = one_day(ROOT, 2)
    print(json.dumps({"counts": counts, "events": events(), "files": sorted(without_ids(files()))}))
    before = without_ids(files())
    for slices in ((2, 2), (2, 3)):
        # A file system of S3 does not survive a fork.
        with multiprocessing.get_context("spawn").Pool(2) as pool:
            running, seen = pool.map_async(run, slices, chunksize=1), set()
            while not running.ready():
                seen.add(events())
        print(json.dumps({"slices": slices, "said": sorted(running.get()), "seen": sorted(seen), "after": events()}))
        if slices == (2, 2):
            now = without_ids(files())
            # What the loser of two that published in the same moment has fetched goes after a day.
            assert before.items() <= now.items(), now.keys() ^ before.keys()
        steps.raw_files(Store(ROOT), "earthquakes", DAY)  # it is whole


if __name__ == "__main__":
    main()
