"""Time `make run` for one sample day, warm, beside Airflow's own start: import, and migrate a fresh SQLite database.

    make bench   or   .venv/bin/python benchmarks/run.py [RUNS]

Bakes the default project, installs it and runs it once; then both run in turn, each in a process of its own. Prints
medians in seconds and the ratio, taken pair by pair, for wall and for processor time: a busy machine spoils the first.
"""

import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TEMPLATE = Path(__file__).resolve().parents[1]
RUN = ["make", "run", "DATE=2018-02-01"]


def cost(command, cwd, **variables):
    """Run a command to its end; return its wall time and its processor time in seconds."""
    wall, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "ETL"))}
    # Both sides are to find Python's bytecode where the first run has put it.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    done = subprocess.run(command, cwd=cwd, env=environment | variables, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))} failed:\n{done.stdout}{done.stderr}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.perf_counter() - wall, sum(after[:2]) - sum(before[:2])


def main():
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    with tempfile.TemporaryDirectory() as folder:
        bake = [sys.executable, "-m", "cookiecutter", "--no-input", "-o", folder, str(TEMPLATE)]
        cost(bake, folder)
        project = Path(folder) / "my-etl"
        cost(RUN, project)
        migrations, days = [], []
        for number in range(runs + 1):
            home = Path(folder) / "fresh"
            shutil.rmtree(home, ignore_errors=True)
            migrated = cost(["airflow", "db", "migrate"], project, AIRFLOW_HOME=str(home), PATH=path_of(project))
            day = cost(RUN, project)
            if number:  # the first pair warms the file system's cache
                migrations.append(migrated)
                days.append(day)
    print(f"{'':30}{'wall':>10}{'processor':>12}")
    for name, costs in (("airflow db migrate, fresh", migrations), ("make run, one sample day", days)):
        wall, processor = (statistics.median(cost[i] for cost in costs) for i in (0, 1))
        print(f"{name:30}{wall:8.1f} s{processor:10.1f} s")
    wall, processor = (
        statistics.median(day[i] / migrated[i] for migrated, day in zip(migrations, days, strict=True)) for i in (0, 1)
    )
    print(f"{f'ratio, median of {runs} pairs':30}{wall:8.2f}  {processor:10.2f}")


def path_of(project):
    return f"{project}/.venv/bin{os.pathsep}{os.environ['PATH']}"


if __name__ == "__main__":
    main()
