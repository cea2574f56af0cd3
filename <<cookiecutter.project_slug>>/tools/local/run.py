"""make run: extract and transform, in this one process, without a scheduler.

Prints a table, and where the data and a chart of the last day lie. What Airflow logs is in .airflow/run.log.
"""

import argparse
import contextlib
import gc
import importlib.metadata
import importlib.util
import os
import sqlite3
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
DAGS = REPOSITORY / "<< cookiecutter.dags_subpath >>"
LOG = REPOSITORY / ".airflow" / "run.log"
COLUMNS = ("day", "read", "clean", "duplicates", "set apart", "rejected", "seconds")


class Failed(Exception):
    """What the user is told, in one line."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--date", help="one day, like 2018-02-01 (default: every day of the bundled sample)")
    parser.add_argument("--dag", help="one DAG (default: extract, then transform)")
    arguments = parser.parse_args()
    set_environment()
    LOG.parent.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    charts = []
    # While Airflow is imported nothing becomes garbage, and looking for it takes seconds.
    gc.disable()
    try:
        days = [one_day(arguments.date)] if arguments.date else sample_days()
        with output_in(LOG) as say:
            import_airflow(say)
            if arguments.dag:
                run_one(arguments.dag, days, say)
            else:
                run_both(days, say)
                charts = chart_of(days[-1])
    except Failed as problem:
        print(f"make run: {problem}", file=sys.stderr)
        if LOG.exists():
            print(f"The whole log: {LOG}", file=sys.stderr)
        return 1
    print(
        f"{len(days)} partition{'s' if len(days) > 1 else ''} in {time.monotonic() - started:.1f} s. "
        f"The data lies in {os.environ['ETL_DATA_ROOT']}"
    )
    if charts:
        print(f"The chart of {days[-1]}: {', '.join(charts)}")
    return 0


def set_environment() -> None:
    """What the Makefile sets, for those who start this file by hand."""
    home = REPOSITORY / ".airflow"
    os.environ.setdefault("AIRFLOW_HOME", str(home))
    os.environ.setdefault("AIRFLOW__CORE__DAGS_FOLDER", str(DAGS))
    os.environ.setdefault("AIRFLOW__CORE__LOAD_EXAMPLES", "False")
    os.environ.setdefault("ETL_DATA_ROOT", f"file://{home}/data")
    sys.path.insert(0, str(DAGS))


def one_day(date: str) -> str:
    from << cookiecutter.__package >>.daily.settings import Permanent, bounds

    try:
        bounds(date)
    except Permanent as problem:
        raise Failed(str(problem)) from None
    return date


def sample_days() -> list[str]:
    from << cookiecutter.__package >>.earthquakes import source

    if source.service():
        raise Failed("ETL_SOURCE is not the sample: say which day you want, like make run DATE=2018-02-01")
    return source.sample_days()


def import_airflow(say) -> None:
    """Import Airflow, with an up-to-date SQLite database in AIRFLOW_HOME."""
    home = Path(os.environ["AIRFLOW_HOME"])
    marker, version = home / "migrated-to", importlib.metadata.version("apache-airflow-core")
    if (home / "airflow.db").exists() and marker.exists() and marker.read_text() == version:
        return
    print("Making Airflow's database in .airflow (the first time only) ...", file=say)
    if not marker.exists() and not has_version(home / "airflow.db"):
        # Nothing there, or a first start that was interrupted.
        (home / "airflow.db").unlink(missing_ok=True)
    from airflow.utils import db

    db.initdb()
    marker.write_text(version)


def has_version(database: Path) -> bool:
    """Whether the database was completed: its version is written last."""
    if not database.exists():
        return False
    with contextlib.closing(sqlite3.connect(database)) as connection:
        try:
            return connection.execute("select count(*) from alembic_version").fetchone()[0] > 0
        except sqlite3.OperationalError:
            return False


def dags(*names: str) -> list:
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(str(DAGS))
    for path, error in bag.import_errors.items():
        raise Failed(f"{path} does not import: {error.strip().splitlines()[-1]}")
    if missing := [name for name in names if name not in bag.dags]:
        raise Failed(f"there is no DAG {missing[0]}, only {', '.join(sorted(bag.dags))}.")
    return [bag.dags[name] for name in names]


def run_both(days: list[str], say) -> None:
    """Run extract and transform for the days; print a table."""
    extract, transform = dags("extract", "transform")
    print_row(say, COLUMNS)
    rows = []
    for day in days:
        rows.append(run_day(extract, transform, day, say))
        print_row(say, rows[-1])
        gc.freeze()
        gc.enable()
    if len(rows) > 1:
        # Rounded: tenths of a second do not add up to tenths.
        totals = [round(sum(row[i] for row in rows), 1) for i in range(1, len(COLUMNS))]
        print_row(say, ("total", *totals))


def run_one(name: str, days: list[str], say) -> None:
    """Run one DAG for the days; print what its tasks return."""
    (dag,) = dags(name)
    for day in days:
        for task in run(dag, day).get_task_instances():
            value = task.xcom_pull(task_ids=task.task_id, map_indexes=task.map_index)
            print(f"{day}  {task.task_id}: {value}", file=say, flush=True)


def run_day(extract, transform, day: str, say) -> tuple:
    """Run both DAGs for the day; a row of the table."""
    started = time.monotonic()
    # One process works on one slice after the other: more of them would only take longer.
    show_progress(say, f"{day}: extract ...")
    run(extract, day, slices=1)
    show_progress(say, f"{day}: transform ...")
    facts = run(transform, day).get_task_instance("clean").xcom_pull(task_ids="clean")[day]
    return (
        day,
        *(facts[name] for name in ("read", "clean", "duplicates", "set_apart", "rejected")),
        round(time.monotonic() - started, 1),
    )


def run(dag, day: str, **params):
    """Run the DAG for the day with these params; its dag run."""
    problems = []
    for task in dag.tasks:
        settings = task.partial_kwargs if task.is_mapped else vars(task)
        # One attempt: whoever sits in front of it wants the reason now.
        settings["retries"] = 0
        settings["retry_delay"] = timedelta(0)
        settings["on_failure_callback"] = [lambda context: problems.append(context.get("exception"))]
    result = dag.test(logical_date=None, run_conf={"partition": day, **params})
    if result.state != "success":
        raise Failed(f"{dag.dag_id} of {day} failed: {problems[0] if problems else 'see the log'}")
    return result


def chart_of(day: str) -> list[str]:
    """Draw the day; the files' names. None where matplotlib, a development dependency, is missing."""
    if not importlib.util.find_spec("matplotlib"):
        return []
    from << cookiecutter.__package >>.daily import read
    from tools.local import chart

    files = chart.write(read("earthquakes", day), day, REPOSITORY / ".airflow" / "charts")
    return [os.path.relpath(file) for file in files]


def show_progress(say, text: str) -> None:
    """What is being done, in a line that the next one takes the place of; nothing where nobody watches."""
    if say.isatty():
        print(f"\r\033[K{text}", end="", file=say, flush=True)


def print_row(say, row: tuple) -> None:
    show_progress(say, "")
    print(f"{row[0]:12}" + "".join(f"{cell:>11}" for cell in row[1:]), file=say, flush=True)


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
