"""Measure what API server, DAG processor and scheduler need for many DAGs: what the limits in helm/values.yaml hold.

    make build/e2e/image/.installed   then   .venv/bin/python benchmarks/sizes.py [--files 10,100,1000]

Starts Airflow's own processes with the settings of a baked project's values, on PostgreSQL, all on loopback, and adds
DAG files (those of benchmarks/integrity.py). For each number of files it prints the seconds until the API lists all of
them, the DAG processor's processor time per file, and each component's peak of memory, also while all of the UI's
pages are asked for, four at a time. Memory is what a container's limit counts and nobody can take back: anonymous
pages, those that forks share counted once, and the largest mapping of files that one of its processes has (Linux).
"""

import argparse
import os
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stdout
from pathlib import Path

TEMPLATE = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TEMPLATE))

from benchmarks.integrity import family, write_dags  # noqa: E402
from tests.conftest import bake_into  # noqa: E402
from tests.e2e.installation import IMAGE, Installation  # noqa: E402
from tests.e2e.processes import Servers  # noqa: E402

COMPONENTS = ("api-server", "dag-processor", "scheduler")


def megabytes(pids):
    """What a container with these processes is charged for."""
    anonymous, files = 0, 0
    for pid in pids:
        try:
            lines = [line.split() for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]]
        except OSError:  # it has ended
            continue
        sizes = {line[0]: int(line[1]) for line in lines}
        anonymous += sizes["Pss_Anon:"] + sizes["Pss_Shmem:"]
        files = max(files, sizes["Rss:"] - sizes["Anonymous:"])
    return (anonymous + files) / 1024


def processor_seconds(pid):
    """User and system time of a process and of its children that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


class Peaks(threading.Thread):
    """Keeps the largest size of each component until `take` is called."""

    def __init__(self, pids):
        super().__init__(daemon=True)
        self.pids, self.largest = pids, {}

    def run(self):
        while True:
            for name, pid in self.pids.items():
                self.largest[name] = max(self.largest.get(name, 0), megabytes(family(pid)))
            time.sleep(0.5)

    def take(self):
        taken, self.largest = self.largest, {}
        return taken


def pages(installation, count):
    """Ask for what the UI's pages ask for: the lists, then each DAG, its tasks and its grid."""

    def ask(path, **query):
        return installation.ask("GET", path, **query)

    listed = []
    for offset in range(0, count, 50):
        ask("/ui/dags", limit=50, offset=offset)
        listed += [dag["dag_id"] for dag in ask("/api/v2/dags", limit=50, offset=offset)["dags"]]
    paths = [
        path
        for name in listed
        for path in (f"/api/v2/dags/{name}/details", f"/api/v2/dags/{name}/tasks", f"/ui/grid/structure/{name}")
    ]
    began = time.monotonic()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(ask, paths))
    return len(paths), time.monotonic() - began


def measure(installation, count, peaks):
    """Let there be `count` DAG files, and print a row."""
    write_dags(installation.root / "opt/airflow/dags/repo/dags", count)
    processor = installation.servers._running["dag-processor"][0].pid
    began, cpu = time.monotonic(), processor_seconds(processor)

    def all_there():
        return installation.ask("GET", "/api/v2/dags", limit=1)["total_entries"] >= count

    peaks.take()
    installation.servers.wait_until(f"{count} DAGs are listed", all_there, seconds=3600, every=1)
    seconds, spent = time.monotonic() - began, processor_seconds(processor) - cpu
    # Each file once more, as it is done for ever.
    time.sleep(max(60, seconds))
    asked, took = pages(installation, count)
    time.sleep(1)
    largest = peaks.take()
    print(
        f"{count:7,} {seconds:8.0f} s {spent / count:8.2f} s"
        + "".join(f"{largest[name]:11.0f} MB" for name in COMPONENTS)
        + f"{asked / took:10.0f} pages/s",
        flush=True,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", default="10,100,1000", help="numbers of DAG files, growing")
    options = parser.parse_args()
    if not (IMAGE / "bin/airflow").exists():
        sys.exit("make build/e2e/image/.installed makes the environment that stands for the image: run it first")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        root.chmod(0o755)  # PostgreSQL's user has to pass
        with open(os.devnull, "w", encoding="utf-8") as nowhere, redirect_stdout(nowhere):
            project = bake_into(root, git_access="public", executor="LocalExecutor")
        servers = Servers(root / "logs")
        try:
            (root / "pods/opt/airflow/dags/repo/dags").mkdir(parents=True)
            installation = Installation(project, root / "pods", servers).start()
            peaks = Peaks({name: servers._running[name][0].pid for name in COMPONENTS})
            peaks.start()
            print(f"{'DAGs':>7} {'listed':>10} {'per file':>10}" + "".join(f"{name:>14}" for name in COMPONENTS))
            for count in options.files.split(","):
                measure(installation, int(count), peaks)
        finally:
            servers.stop_all()


if __name__ == "__main__":
    main()
