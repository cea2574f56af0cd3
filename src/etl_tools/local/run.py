"""make run: DAGs in this one process, without a scheduler: those of datasets on the days that they offer.

Prints which task is at work, what tasks print and what each run made, and ends with a chart of the last day
and the line that opens it, or with what failed. Airflow's log is in .airflow/run.log; with DEBUG=1 it is on
the terminal. breakpoint() has its prompt wherever there is a terminal.
"""

from __future__ import annotations

import bdb
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
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from graphlib import TopologicalSorter
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, cast

from etl_tools.local import environment, periods, samples
from etl_tools.local.periods import PARAM
from etl_tools.local.progress import Progress

if TYPE_CHECKING:
    from airflow.sdk import DAG

LOG = environment.HOME / "run.log"
CHARTS = environment.HOME / "charts"
CONNECTIONS = "secrets/connections.env (docs/connections.md has examples)."
WIDTH = 11  # of a column
FEW = 3  # failures for the same reason that have a line each
KEY = re.compile(r"\d{4}-\d\d(?:-\d\d(?:T\d\d)?)?")  # of a partition, as in periods.FORMATS
# The version of the API between tasks and Airflow that spare_old_versions() knows.
TASK_API = "2026-06-30"


def main(
    date: str | None, first: str | None, last: str | None, dag: str | None, rebuild: bool, accept: bool, debug: bool
) -> int:
    """Run the DAGs and say how it went; return the exit code."""
    started = time.monotonic()
    # While Airflow is imported nothing becomes garbage, and looking for it takes seconds.
    gc.disable()
    try:
        days = asked_for(date, first, last)
        environment.set_up()
        with contextlib.nullcontext(sys.stdout) if debug else output_in(LOG) as say:
            prepare_database(say)
            spare_old_versions()
            began = time.time()
            runs, failed = run_all(dag, days, Progress(say, quiet=debug), accept, rebuild)
            file = newest_file(began)
            chart = chart_of(file) if file else None
    except ValueError as problem:
        print(f"make run: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("make run: stopped", file=sys.stderr)
        return 130
    seconds = time.monotonic() - started
    if runs:
        where = os.environ["ETL_DATA_ROOT"]
        print(f"{runs} run{'s' * (runs > 1)} in {seconds:.1f} s. The data is in {where}")
    if chart:
        print(f"Chart: {os.path.relpath(chart)}")
    if file:
        print(f'Open it: pd.read_parquet("{os.path.relpath(file)}")')
    for line in in_few(failed):
        print(f"make run: {line}", file=sys.stderr)
    if failed and not debug:
        print(f"The log: {os.path.relpath(LOG)}", file=sys.stderr)
    return 1 if failed else 0


def asked_for(one: str | None, first: str | None, last: str | None) -> tuple[datetime, datetime] | None:
    """When DATE, or what FROM and TO are the edges of, begins and ends; None where neither was given.

    make backfill and make rebuild give both, empty where nobody said them.
    """
    if "" in (first, last):
        raise ValueError("which days? Say the first and the last one: FROM=2018-02-01 TO=2018-02-28")
    if not first and not last:
        return periods.begin_and_end(one) if one else None
    if one or not first or not last:
        raise ValueError("say either DATE=… or both FROM=… and TO=…")
    (begin, _), (_, end) = periods.begin_and_end(first), periods.begin_and_end(last)
    if end <= begin:
        raise ValueError(f"FROM={first} is after TO={last}.")
    return begin, end


def prepare_database(say: TextIO) -> None:
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


def run_all(
    name: str | None,
    asked: tuple[datetime, datetime] | None,
    progress: Progress,
    accept: bool = False,
    rebuild: bool = False,
) -> tuple[int, list[str]]:
    """Run the DAGs in the order of their assets; how many runs succeeded, and a line for each that failed.

    rebuild: one DAG, and none before it.
    """
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(str(environment.DAGS))
    broken = []
    for path, error in bag.import_errors.items():
        reason = error.strip().splitlines()[-1]
        broken.append(f"{os.path.relpath(path)} does not import: {place(error)}{reason}")
    if name and name not in bag.dags:
        known = ", ".join(sorted(bag.dags))
        raise ValueError(broken[0] if broken else f"there is no DAG {name}, only {known}.")
    if name and rebuild and periods.fetches(bag.dags[name].params):
        raise ValueError(periods.NO_REBUILD.format(name))
    for dag_id in [] if asked else samples.stand_in(bag.dags):
        if not name or dag_id == name:
            progress.write(f"{samples.folder(dag_id)} stands in for the source of {dag_id}; DATE=… asks the source")
    datasets = [dag_id for dag_id, dag in bag.dags.items() if PARAM in dag.params]
    if not name and not datasets:
        what_to_do = "say which one: make run DAG=… (make dags lists them)."
        raise ValueError(broken[0] if broken else f"there is no DAG of a dataset; {what_to_do}")
    before = graph(bag.dags)
    failed = [] if name else broken
    runs = 0
    not_there: set[tuple[str, str | None]] = set()
    planned: list[tuple[str, str | None, bool]] = []
    without_days: set[str] = set()
    needed_for_it = ancestors(name, before) if name else []
    for dag_id in TopologicalSorter(before).static_order():
        needed = dag_id in needed_for_it and not rebuild
        if dag_id != name and (name or dag_id not in datasets) and not needed:
            continue
        if not without_days.isdisjoint(ancestors(dag_id, before)):
            without_days.add(dag_id)
            continue
        try:  # a DAG that offers no days takes those of the DAGs before it
            chain = [bag.dags[one] for one in (dag_id, *ancestors(dag_id, before))]
            planned += [(dag_id, day, needed) for day in days_for(bag.dags[dag_id], asked, chain)]
        except ValueError as problem:
            without_days.add(dag_id)
            failed.append(str(problem))
    with progress.of([bag.dags[dag_id] for dag_id, _, _ in planned]):
        header = None
        for dag_id, day, needed in planned:
            label = f"{dag_id} {day}" if day else dag_id
            if missing := next((one for one in ancestors(dag_id, before) if (one, day) in not_there), None):
                failed.append(f"{label} did not run: {missing} failed before it.")
                not_there.add((dag_id, day))
                continue
            if needed and has_run(dag_id, day):
                continue
            # A DAG that fetches, too, takes what it has fetched.
            taken = accept or (rebuild and "extract" in bag.dags[dag_id].task_ids)
            try:
                facts = run(bag.dags[dag_id], day, label, progress, taken)
            except ValueError as problem:
                progress.write(f"{label} failed")
                failed.append(str(problem))
                not_there.add((dag_id, day))
                continue
            runs += 1
            if header != (header := [dag_id, *(column.replace("_", " ") for column in facts)]):
                progress.write(row(header))
            progress.write(row([day or "", *facts.values()]))
    return runs, failed


def graph(dags: dict[str, DAG]) -> dict[str, set[str]]:
    """For each DAG those whose tasks produce the assets that it waits for."""

    def names(asset: object) -> set[str | None]:
        parts = getattr(asset, "objects", None)
        none: set[str | None] = set()
        return none.union(*map(names, parts)) if parts is not None else {getattr(asset, "name", None)}

    produced: dict[str | None, set[str]] = {}
    for dag_id, dag in dags.items():
        for outlet in (outlet for task in dag.tasks for outlet in task.outlets or ()):
            produced.setdefault(getattr(outlet, "name", None), set()).add(dag_id)
    before = {}
    for dag_id, dag in dags.items():
        waits_for = names(dag.timetable.asset_condition) - {None}
        before[dag_id] = {other for name in waits_for for other in produced.get(name, set())} - {dag_id}
    return before


def ancestors(dag_id: str, before: dict[str, set[str]]) -> list[str]:
    found: list[str] = []
    for one in sorted(before[dag_id]):
        found += [one, *ancestors(one, before)]
    return found


def days_for(dag: DAG, asked: tuple[datetime, datetime] | None, chain: list[DAG]) -> list[str | None]:
    """The days to run the DAG for: [None] for one that has no partitions, unless days were asked for."""
    if asked:
        return [*periods.keys(*asked, periods.of(dag))]
    if PARAM not in dag.params:
        return [None]
    for one in chain:
        param = one.params.get_param(PARAM) if PARAM in one.params else None
        if param and (days := param.schema.get("examples") or [param.value] * bool(param.value)):
            return days
    name = dag.dag_id
    raise ValueError(f"{name} offers no day: say which one, like make run DAG={name} DATE=2018-02-01")


def has_run(dag_id: str, day: str | None) -> bool:
    """Whether the DAG has succeeded for the day, here or in `make ui`."""
    from airflow import settings
    from airflow.models.dagrun import DagRun

    with cast("Any", settings.Session)() as session:  # None until Airflow is set up
        done = session.query(DagRun).filter(DagRun.dag_id == dag_id, DagRun.state == "success")
        return any((one.partition_key or (one.conf or {}).get(PARAM)) == day for one in done)


def run(dag: DAG, day: str | None, label: str, progress: Progress, accept: bool = False) -> dict[str, object]:
    """Run the DAG for the day; what its last tasks returned, and the seconds."""
    started, problems = time.monotonic(), list[BaseException]()
    for task in dag.tasks:
        settings: dict[str, Any] = cast("Any", task).partial_kwargs if task.is_mapped else vars(task)
        # One attempt: whoever sits in front of it wants the reason now.
        settings["retries"] = 0
        settings["retry_delay"] = timedelta(0)
        settings["on_failure_callback"] = [lambda context: problems.append(context["exception"])]
        theirs = settings.get("on_execute_callback") or []
        theirs = theirs if isinstance(theirs, (list, tuple)) else [theirs]
        settings["on_execute_callback"] = [progress.task, *(one for one in theirs if one != progress.task)]
    when = datetime.now(UTC)
    conf: dict[str, object] = {}
    if day and PARAM in dag.params:
        conf = {PARAM: day}
        if "slices" in dag.params:
            # One process works on one slice after the other: more of them would only take longer.
            conf["slices"] = 1
        if accept and "accept" in dag.params:
            conf["accept"] = True
    elif day:
        when = datetime.fromisoformat(day).replace(tzinfo=UTC)
    with progress.run(label, len(dag.tasks)):
        result = dag.test(logical_date=when, run_conf=conf)
    gc.freeze()
    gc.enable()
    if any(isinstance(problem, KeyboardInterrupt) for problem in problems):
        raise KeyboardInterrupt  # Ctrl-C ends all of it, not that task alone
    if result.state != "success":
        why = in_words(problems[0]) if problems else "no task says why"
        raise ValueError(f"{label} failed: {why.removeprefix(f'{day}: ')}")
    tasks = result.get_task_instances()
    if not any(task.state == "success" for task in tasks):
        raise ValueError(f"{label} ran nothing: it has no task, or all were skipped.")
    facts: dict[str, object] = {}
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
    if missing := re.search(r"The conn_id `(\w+)` isn't defined", str(problem)):
        return f"there is no connection {missing[1]}: write AIRFLOW_CONN_{missing[1].upper()}=… into {CONNECTIONS}"
    if isinstance(problem, bdb.BdbQuit):
        return "it was ended in the debugger (c goes on)"
    where = place("".join(traceback.format_tb(problem.__traceback__)))
    return f"{where}{type(problem).__name__}: {problem}"


def place(text: str) -> str:
    """The last line of the user's that a traceback names, like "dags/orders.py:12: "."""
    for file, line in reversed(re.findall(r'File "(.+)", line (\d+)', text)):
        if Path(file).is_relative_to(environment.DAGS) and Path(file).parent.name != "datasets":
            return f"{os.path.relpath(file)}:{line}: "
    return ""


def in_few(failed: list[str]) -> list[str]:
    """The lines; one for those that only differ in the day, as all hours of a day may."""
    lines = []
    for _, some in groupby(failed, lambda line: KEY.sub("", line)):
        same = list(some)
        if len(same) > FEW and KEY.search(same[0]):
            first, last = (KEY.findall(line)[0] for line in (same[0], same[-1]))
            same = [f"{len(same)} times, from {first} to {last}: {same[0]}"]
        lines += same
    return lines


def newest_file(began: float) -> Path | None:
    """The clean file that was written last, since then; None where there is none on this disk."""
    root = Path(os.environ["ETL_DATA_ROOT"].removeprefix("file://"))
    files = [(path.stat().st_mtime, path) for path in root.glob("clean/*/partition_date=*/*.parquet")]
    return max((file for file in files if file[0] >= began), default=(0, None))[1]


def chart_of(file: Path) -> Path | None:
    """Draw the file of a day; None where there is no matplotlib (as in the image)."""
    if not importlib.util.find_spec("matplotlib"):
        return None
    from etl_tools.local import chart

    day = file.parent.name.partition("=")[2]
    return chart.write(file, f"{file.stem}, {day} (UTC)", CHARTS / f"{file.stem}-{day}.png")


def row(cells: Sequence[object]) -> str:
    first, *others = cells
    return "  ".join([f"{first:{WIDTH}}", *(f"{cell!s:>{WIDTH}}" for cell in others)])


@contextlib.contextmanager
def output_in(log: Path) -> Iterator[TextIO]:
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
