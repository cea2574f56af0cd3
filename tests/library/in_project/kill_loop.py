"""Kill extract and transform with SIGKILL at many points, run them again, and compare with an undisturbed day.

Then let two runs of the day work at once, again and again, in the same slices and in others: at least one must
succeed, and whoever reads meanwhile must see a whole day.

Run by the Python of a baked project, with its DAG folder on the path:  python kill_loop.py FOLDER SEED POINTS
Every day is worked on in a process of its own, which counts its calls and dies at the chosen one. Prints what it did;
exits with 1 and the reason when a day is not what it should be.
"""

import json
import os
import random
import shutil
import signal
import sys
import traceback
from pathlib import Path

import pandas as pd
from dirty import DAY, one_day, without_ids
from my_etl.datasets import contract, parquet, reading, steps, store  # noqa: F401  imported here, not in a process that counts its calls
from my_etl.datasets.settings import Permanent

FOLDER, SEED, POINTS = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
ROUNDS = 5  # of two runs at once
# Where a crash could leave something half done.
TOUCHES_FILES = {
    "open",
    "mkstemp",
    "write",
    "fsync",
    "chmod",
    "replace",
    "rename",
    "remove",
    "unlink",
    "rmdir",
    "mkdir",
}


def day(root, slices):
    one_day(f"file://{root}", slices)


def alone(root, slices):
    """day() without another run at work: what is there of a killed one goes at once."""
    store.DRAFTS_KEPT = -1
    day(root, slices)


def in_process(function, *arguments):
    """Run the function in a child process; its exit status, negative for a signal."""
    return os.waitstatus_to_exitcode(os.waitpid(start(function, *arguments), 0)[1])


def start(function, *arguments):
    """A child process that runs the function; 3 is its exit status when another run has fetched the day since."""
    child = os.fork()
    if not child:
        try:
            function(*arguments)
        except Permanent:
            os._exit(3)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return child


def killed(root, slices, at):
    """day(), and SIGKILL at the `at`-th call of a function; without dying, calls.json says which calls there are."""
    calls, touching = 0, []

    def count(frame, event, argument):
        nonlocal calls
        if event in ("call", "c_call"):
            calls += 1
            if calls == at:
                os.kill(os.getpid(), signal.SIGKILL)
            if event == "c_call" and argument.__name__ in TOUCHES_FILES:
                touching.append(calls)

    sys.setprofile(count)
    day(root, slices)
    sys.setprofile(None)
    (FOLDER / "calls.json").write_text(json.dumps([calls, touching]))


def whole(root):
    """A reader sees the day, by every rule that readers go by."""
    assert len(pd.read_parquet(root / "clean" / "earthquakes")) == 224
    steps.raw_files(store.Store(f"file://{root}"), "earthquakes", DAY)


def files(root):
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def same(root, other):
    """The same files, but for when and by whom they were fetched."""
    ours, theirs = without_ids(files(root)), without_ids(files(other))
    assert ours.keys() == theirs.keys(), ours.keys() ^ theirs.keys()
    assert ours == theirs


def watch(root, until):
    """Read the day again and again until there is a file `until`."""
    while not until.exists():
        whole(root)


def must(status, what):
    if status != 0:
        sys.exit(f"{what}: exit status {status}")


def main():
    undisturbed, old = FOLDER / "undisturbed", FOLDER / "old"
    for _ in range(2):  # so that all that it imports is compiled, also for a day that is there: calls are counted
        must(in_process(alone, old, 5), "the old day")
    shutil.copytree(old, undisturbed)
    must(in_process(killed, undisturbed, 3, 0), "the undisturbed day")
    calls, touching = json.loads((FOLDER / "calls.json").read_text())
    choose = random.Random(SEED)
    points = sorted({*choose.sample(range(1, calls - 1000), POINTS // 2), *choose.sample(touching[:-20], POINTS // 2)})
    for point in points:
        root = FOLDER / f"killed-{point}"
        status = 0
        # The number of calls differs by some in a hundred, for one thread waits for another: a run that was over before
        # its point dies earlier.
        while status == 0:
            shutil.rmtree(root, ignore_errors=True)
            shutil.copytree(old, root)
            status = in_process(killed, root, 3, point)
            point = point if status else point * 9 // 10
        if status != -signal.SIGKILL:
            sys.exit(f"call {point} of {calls}: exit status {status} instead of SIGKILL")
        must(in_process(whole, root), f"killed at call {point}: what a reader sees")
        must(in_process(alone, root, 3), f"rerun after {point}")
        must(in_process(same, root, undisturbed), f"after the rerun of the day killed at call {point}")
        shutil.rmtree(root)
    print(f"killed at {len(points)} of {calls} calls, from {points[0]} to {points[-1]}")
    for slices in ((3, 3), (3, 4)):
        outcomes = [two_at_once(FOLDER / f"twice-{number}", old, slices, undisturbed) for number in range(ROUNDS)]
        print(f"two runs at once in {slices} slices, exit statuses: {outcomes}")


def two_at_once(root, old, slices, undisturbed):
    """Start two runs of the day together; at least one succeeds, and a reader sees the whole day all the time."""
    shutil.copytree(old, root)
    stop = FOLDER / "stop"
    stop.unlink(missing_ok=True)
    reader = start(watch, root, stop)
    children = [start(day, root, count) for count in slices]
    statuses = sorted(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children)
    stop.touch()
    must(os.waitstatus_to_exitcode(os.waitpid(reader, 0)[1]), "the reader of two runs at once")
    if statuses not in ([0, 0], [0, 3]):
        sys.exit(f"two runs at once ended with {statuses}")
    must(in_process(whole, root), "after two runs at once")
    if slices[0] == slices[1]:
        must(in_process(same, root, undisturbed), "after two runs at once in the same slices")
    shutil.rmtree(root)
    return statuses


if __name__ == "__main__":
    main()
