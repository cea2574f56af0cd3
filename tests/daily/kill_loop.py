"""Kill extract and transform with SIGKILL at many points, run them again, and compare with an undisturbed day.

Then let two runs of the day work at once, again and again: one of them must win, and the day must be whole.

Run by the Python of a baked project, with its DAG folder on the path:  python kill_loop.py FOLDER PACKAGE SEED POINTS
Every day is worked on in a process of its own, which counts its calls and dies at the chosen one. Prints what it did;
exits with 1 and the reason when a day is not what it should be.
"""

import importlib
import json
import os
import random
import shutil
import signal
import sys
import traceback
from pathlib import Path

FOLDER, PACKAGE, SEED, POINTS = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
DAY = "2018-02-01"
ROUNDS = 10  # of two runs at once
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

datasets, extracting, settings_module, transforming = (
    importlib.import_module(f"{PACKAGE}.{name}") for name in ("datasets", "extracting", "settings", "transforming")
)
importlib.import_module(f"{PACKAGE}.reading")
importlib.import_module(f"{PACKAGE}.across")
SUPERSEDED = importlib.import_module(f"{PACKAGE}.errors").Superseded


def settings(root):
    return settings_module.load({"ETL_DATA_ROOT": f"file://{root}", "ETL_SOURCE": "sample"})


def day(root, slices, run):
    """Both DAGs' steps, in their order."""
    chosen = settings(root)
    entries = [extracting.fetch(chosen, DAY, part, run) for part in extracting.plan(chosen, DAY, slices, run)]
    extracting.publish(chosen, DAY, entries, run)
    parts = [transforming.clean_slice(chosen, DAY, source, run) for source in transforming.plan(chosen, DAY, run)]
    transforming.publish(chosen, DAY, transforming.check(chosen, DAY, parts, run), run)


def in_process(function, *arguments):
    """Run the function in a child process; its exit status, negative for a signal."""
    return os.waitstatus_to_exitcode(os.waitpid(start(function, *arguments), 0)[1])


def start(function, *arguments):
    """A child process that runs the function; 3 is its exit status when another run has taken the day over."""
    child = os.fork()
    if not child:
        try:
            function(*arguments)
        except SUPERSEDED:
            os._exit(3)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return child


def killed(root, slices, run, at):
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
    day(root, slices, run)
    sys.setprofile(None)
    (FOLDER / "calls.json").write_text(json.dumps([calls, touching]))


def whole(root, allowed):
    """A reader sees one of the allowed days, by every rule a reader goes by."""
    for partition in (datasets.raw(settings(root), DAY), datasets.clean(settings(root), DAY)):
        for entry in partition.manifest()["files"]:
            assert partition.store.fs.size(partition.store.full(partition.path(entry))) == entry["bytes"]
    events = datasets.events(settings(root), DAY)
    assert len(events) == 224, len(events)
    assert len(datasets.raw(settings(root), DAY).manifest()["files"]) in allowed


def same(root, other):
    """Byte for byte the same files, and nothing left in staging."""
    left, right = (
        {str(path.relative_to(top)): path.read_bytes() for path in top.rglob("*") if path.is_file()}
        for top in (root, other)
    )
    assert left.keys() == right.keys(), left.keys() ^ right.keys()
    assert left == right


def must(status, what):
    if status != 0:
        sys.exit(f"{what}: exit status {status}")


def main():
    undisturbed, old = FOLDER / "undisturbed", FOLDER / "old"
    must(in_process(day, old, 5, "old"), "the old day")
    shutil.copytree(old, undisturbed)
    must(in_process(killed, undisturbed, 3, "new", 0), "the undisturbed day")
    calls, touching = json.loads((FOLDER / "calls.json").read_text())
    choose = random.Random(SEED)
    points = sorted({*choose.sample(range(1, calls - 1000), POINTS // 2), *choose.sample(touching[:-20], POINTS // 2)})
    for point in points:
        root = FOLDER / f"killed-{point}"
        shutil.copytree(old, root)
        status = in_process(killed, root, 3, "first", point)
        if status != -signal.SIGKILL:
            sys.exit(f"call {point} of {calls}: exit status {status} instead of SIGKILL")
        must(in_process(whole, root, (3, 5)), f"killed at call {point}: what a reader sees")
        # The rerun is another run of the DAG, or a second attempt of the same one.
        must(in_process(day, root, 3, random.Random(point).choice(["first", "second"])), f"rerun after {point}")
        must(in_process(same, root, undisturbed), f"after the rerun of the day killed at call {point}")
        shutil.rmtree(root)
    print(f"killed at {len(points)} of {calls} calls, from {points[0]} to {points[-1]}")
    outcomes = [two_at_once(FOLDER / f"twice-{number}", undisturbed, old) for number in range(ROUNDS)]
    print(f"two runs at once, exit statuses: {outcomes}")


def two_at_once(root, undisturbed, old):
    """Start two runs of the day together; at least one succeeds, and the day is as if there had been one."""
    shutil.copytree(old, root)
    children = [start(day, root, 3, f"run-{number}") for number in range(2)]
    statuses = sorted(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children)
    if statuses not in ([0, 0], [0, 3]):
        sys.exit(f"two runs at once ended with {statuses}")
    must(in_process(same, root, undisturbed), "after two runs at once")
    shutil.rmtree(root)
    return statuses


if __name__ == "__main__":
    main()
