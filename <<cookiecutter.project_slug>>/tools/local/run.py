"""make run: DAGs in this one process, without a scheduler: every daily one on the days that it offers.

Prints what each run made, and ends with a chart of the last day and the line that opens it. Airflow's log is
in .airflow/run.log; with DEBUG=1 it is on the terminal, and so is the prompt of breakpoint().
"""

import argparse
import contextlib
import fcntl
import gc
import importlib.metadata
import importlib.util
import os
import re
import sys
import time
import traceback
from collections.abc import Iterator
from datetime import date, datetime, timedelta, timezone
from graphlib import TopologicalSorter
from pathlib import Path

from tools.local import environment

LOG = environment.HOME / "run.log"
CHARTS = environment.HOME / "charts"
DAY = "partition"  # the param that names the day of a daily DAG
WIDTH = 11  # of a column
# The version of the API between tasks and Airflow that spare_old_versions() knows.
TASK_API = "2026-06-30"


def main() -> int:
    parser = argparse.ArgumentParser(prog="make run", description=__doc__)
    parser.add_argument("--date", help="one day, like 2018-02-01 (default: the days that the DAG offers)")
    parser.add_argument("--dag", help="one DAG, after those before it that have not run")
    parser.add_argument("--accept", action="store_true", help="publish days with few rows, too")
    parser.add_argument(
        "--rebuild", metavar="LAST", help="all days from --date to this one, of what was fetched"
    )
    parser.add_argument(
        "--debug", action="store_true", help="log to the terminal, and leave it to breakpoint()"
    )
    arguments = parser.parse_args()
    started = time.monotonic()
    # While Airflow is imported nothing becomes garbage, and looking for it takes seconds.
    gc.disable()
    try:
        days = [a_day(arguments.date)] if arguments.date else []
        if arguments.rebuild is not None:
            days = all_days(arguments.date or "", arguments.rebuild)
        environment.set_up()
        with contextlib.nullcontext(sys.stdout) if arguments.debug else output_in(LOG) as say:
            prepare_database(say)
            spare_old_versions()
            began = time.time()
            runs = run_all(
                arguments.dag,
                days,
                say,
                accept=arguments.accept,
                rebuild=arguments.rebuild is not None,
            )
            file = newest_file(began)
            chart = chart_of(file) if file else None
    except ValueError as problem:
        print(f"make run: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("make run: stopped", file=sys.stderr)
        return 130
    seconds = time.monotonic() - started
    print(f"{runs} run{'s' * (runs > 1)} in {seconds:.1f} s. The data is in {os.environ['ETL_DATA_ROOT']}")
    if chart:
        print(f"Chart: {os.path.relpath(chart)}")
    if file:
        print(f'Open it: pd.read_parquet("{os.path.relpath(file)}")')
    return 0


def a_day(text: str) -> str:
    with contextlib.suppress(ValueError):
        if date.fromisoformat(text).isoformat() == text:
            return text
    raise ValueError(f"{text!r} is not a day: write it like 2018-02-01.")


def all_days(first: str, last: str) -> list[str]:
    start, end = (date.fromisoformat(a_day(day)) for day in (first, last))
    if end < start:
        raise ValueError(f"{last} is before {first}.")
    return [(start + timedelta(days=n)).isoformat() for n in range((end - start).days + 1)]


def prepare_database(say) -> None:
    """Make the SQLite database in AIRFLOW_HOME, or bring it up to date."""
    home = Path(os.environ["AIRFLOW_HOME"])
    marker, version = home / "migrated-to", importlib.metadata.version("apache-airflow-core")
    with open(marker, "a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # another make run may be making it
        if (home / "airflow.db").exists() and marker.read_text() == version:
            return
        print("Making Airflow's database in .airflow (the first time only) ...", file=say, flush=True)
        from airflow.utils import db

        db.initdb()
        marker.write_text(version)


def spare_old_versions() -> None:
    """Have Airflow build two versions of the API for tasks, not nine, which takes a third of the time."""
    from airflow.api_fastapi.execution_api.versions import bundle

    if bundle.versions[0].value == TASK_API:  # another Airflow may need the others
        bundle.versions = bundle.versions[:2]


def run_all(name: str | None, given: list[str], say, accept: bool = False, rebuild: bool = False) -> int:
    """Run the DAGs in the order of their assets; the number of runs. rebuild: one DAG, and none before it."""
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(str(environment.DAGS))
    daily = [dag_id for dag_id, dag in bag.dags.items() if DAY in dag.params]
    if (name and name not in bag.dags) or (bag.import_errors and not name):
        for path, error in bag.import_errors.items():
            said = error.strip().splitlines()[-1]
            raise ValueError(f"{os.path.relpath(path)} does not import: {place(error)}{said}")
        raise ValueError(f"there is no DAG {name}, only {', '.join(sorted(bag.dags))}.")
    if not name and not daily:
        raise ValueError("there is no daily DAG; say which one: make run DAG=… (make dags lists them).")
    before = graph(bag.dags)
    wanted = {name} if name else set(daily)
    runs = 0
    for dag_id in TopologicalSorter(before).static_order():
        needed = name and name != dag_id and dag_id in ancestors(name, before) and not rebuild
        if dag_id not in wanted and not needed:
            continue
        # A DAG that offers no days takes those of the DAGs before it.
        chain = [dag_id, *ancestors(dag_id, before)]
        days = given or days_for(bag.dags[dag_id], [bag.dags[one] for one in chain])
        # A DAG that fetches, too, takes what it has fetched.
        taken = accept or (rebuild and "extract" in bag.dags[dag_id].task_ids)
        columns: list[str] = []
        for one in days:
            if needed and has_run(dag_id, one):
                continue
            facts = run(bag.dags[dag_id], one, say, taken)
            runs += 1
            if columns != (columns := list(facts)):
                print_row(say, dag_id, [column.replace("_", " ") for column in columns])
            print_row(say, one or "", facts.values())
    return runs


def graph(dags: dict) -> dict[str, set[str]]:
    """For each DAG those whose tasks produce the assets that it waits for."""

    def names(asset) -> set:
        parts = getattr(asset, "objects", None)
        return set().union(*map(names, parts)) if parts is not None else {getattr(asset, "name", None)}

    produced: dict = {}
    for dag_id, dag in dags.items():
        for outlet in (outlet for task in dag.tasks for outlet in task.outlets or ()):
            produced.setdefault(getattr(outlet, "name", None), set()).add(dag_id)
    before = {}
    for dag_id, dag in dags.items():
        waits_for = names(dag.timetable.asset_condition) - {None}
        before[dag_id] = set().union(*(produced.get(name, set()) for name in waits_for)) - {dag_id}
    return before


def ancestors(dag_id: str, before: dict[str, set[str]]) -> list[str]:
    found: list[str] = []
    for one in sorted(before[dag_id]):
        found += [one, *ancestors(one, before)]
    return found


def days_for(dag, chain: list) -> list[str | None]:
    """The days to run the DAG for, when none was given: [None] for one that has no partitions."""
    if DAY not in dag.params:
        return [None]
    for one in chain:
        param = one.params.get_param(DAY) if DAY in one.params else None
        if param and (days := param.schema.get("examples") or [param.value] * bool(param.value)):
            return days
    name = dag.dag_id
    raise ValueError(f"{name} offers no day: say which one, like make run DAG={name} DATE=2018-02-01")


def has_run(dag_id: str, day: str | None) -> bool:
    """Whether the DAG has succeeded for the day, here or in `make ui`."""
    from airflow import settings
    from airflow.models.dagrun import DagRun

    with settings.Session() as session:
        done = session.query(DagRun).filter(DagRun.dag_id == dag_id, DagRun.state == "success")
        return any((one.partition_key or (one.conf or {}).get(DAY)) == day for one in done)


def run(dag, day: str | None, say, accept: bool = False) -> dict:
    """Run the DAG for the day; what its last tasks returned, and the seconds."""
    show_progress(say, f"{dag.dag_id} {day or ''} ...")
    started, problems = time.monotonic(), []
    for task in dag.tasks:
        settings = task.partial_kwargs if task.is_mapped else vars(task)
        # One attempt: whoever sits in front of it wants the reason now.
        settings["retries"] = 0
        settings["retry_delay"] = timedelta(0)
        settings["on_failure_callback"] = [lambda context: problems.append(context["exception"])]
    when, conf = datetime.now(timezone.utc), {}
    if day and DAY in dag.params:
        conf = {DAY: day}
        if "slices" in dag.params:
            # One process works on one slice after the other: more of them would only take longer.
            conf["slices"] = 1
        if accept and "accept" in dag.params:
            conf["accept"] = True
    elif day:
        when = datetime.fromisoformat(day).replace(tzinfo=timezone.utc)
    result = dag.test(logical_date=when, run_conf=conf)
    gc.freeze()
    gc.enable()
    if result.state != "success":
        why = in_words(problems[0]) if problems else "no task says why"
        raise ValueError(f"{dag.dag_id} {day or ''} failed: {why}\nThe log: {os.path.relpath(LOG)}")
    tasks = result.get_task_instances()
    if not any(task.state == "success" for task in tasks):
        raise ValueError(f"{dag.dag_id} {day or ''} ran nothing: it has no task, or all were skipped.")
    facts: dict = {}
    for leaf in dag.leaves:
        value = None if leaf.is_mapped else result.get_task_instance(leaf.task_id).xcom_pull(leaf.task_id)
        if isinstance(value, dict) and set(value) == {day}:
            value = value[day]
        facts |= value if isinstance(value, dict) else {} if value is None else {leaf.task_id: value}
    return {**facts, "seconds": round(time.monotonic() - started, 1)}


def in_words(problem: BaseException) -> str:
    """What it says; a bug's words say little without its kind and place."""
    from airflow.sdk.exceptions import AirflowFailException

    if isinstance(problem, AirflowFailException):
        return str(problem)
    return f"{place(''.join(traceback.format_tb(problem.__traceback__)))}{type(problem).__name__}: {problem}"


def place(text: str) -> str:
    """The last line of the user's that a traceback names, like "dags/orders.py:12: "."""
    for file, line in reversed(re.findall(r'File "(.+)", line (\d+)', text)):
        if Path(file).is_relative_to(environment.DAGS) and Path(file).parent.name != "daily":
            return f"{os.path.relpath(file)}:{line}: "
    return ""


def newest_file(began: float) -> Path | None:
    """The clean file that was written last, since then; None where there is none on this disk."""
    root = Path(os.environ["ETL_DATA_ROOT"].removeprefix("file://"))
    files = [(path.stat().st_mtime, path) for path in root.glob("clean/*/partition_date=*/*.parquet")]
    return max((file for file in files if file[0] >= began), default=(0, None))[1]


def chart_of(file: Path) -> Path | None:
    """Draw the file of a day; None where there is no matplotlib (as in the image)."""
    if not importlib.util.find_spec("matplotlib"):
        return None
    from tools.local import chart

    day = file.parent.name.partition("=")[2]
    return chart.write(file, f"{file.stem}, {day} (UTC)", CHARTS / f"{file.stem}-{day}.png")


def show_progress(say, text: str) -> None:
    """What is being done, in a line that the next one takes the place of; nothing where nobody watches."""
    if say.isatty():
        print(f"\r\033[K{text}", end="", file=say, flush=True)


def print_row(say, first: str, cells) -> None:
    show_progress(say, "")
    words = [f"{first:{WIDTH}}", *(f"{cell!s:>{WIDTH}}" for cell in cells)]
    print("  ".join(words), file=say, flush=True)


@contextlib.contextmanager
def output_in(log: Path) -> Iterator:
    """Send this process's output, whoever writes it, to the log; yields the terminal."""
    with open(os.dup(1), "w") as terminal, open(log, "w") as file:
        error = os.dup(2)
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        try:
            yield terminal
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os.dup2(terminal.fileno(), 1)
            os.dup2(error, 2)
            os.close(error)


if __name__ == "__main__":
    sys.exit(main())
