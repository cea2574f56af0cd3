"""make rehearse: what another Airflow version makes of the DAGs, and clear words where it cannot be tried."""

import sqlite3
import sys

import pytest

from tests.conftest import TEMPLATE, run
from tests.dag_integrity.test_integrity import project_with

DAG = '''"""A DAG."""

import pendulum
from airflow import __version__
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG
{}
with DAG("{}", schedule=None, start_date=pendulum.datetime(2026, 1, 1, tz="UTC"), max_active_tasks={}):
    EmptyOperator(task_id="first")
'''
MOVED = "from airflow.dag_processing.importers import get_importer_registry\n\nREGISTRY = get_importer_registry()\n"
CHANGED = '16 if __version__ < "3.4" else 8'
VERSION = "import importlib.metadata as m; print(m.version('apache-airflow-core'))"


# The group of test_looked_at.py, which takes the same environment
@pytest.mark.airflow
@pytest.mark.xdist_group("integrity-looked-at")
def test_the_next_version_is_tried(installed, next_airflow, tmp_path):
    """An import that it moved, with the new place; a default that it changed; a DAG that is the same; the database."""
    project, dags = project_with(installed, tmp_path, None)
    (dags / "moved.py").write_text(DAG.format(MOVED, "moved", 16))
    (dags / "changed.py").write_text(DAG.format("", "changed", CHANGED))
    (dags / "same.py").write_text(DAG.format("", "same", 16))
    (project / ".airflow").mkdir()
    database = project / ".airflow" / "airflow.db"
    with sqlite3.connect(database) as connection:
        connection.execute("CREATE TABLE ours (id INTEGER)")
    before = database.read_bytes()
    version = run([next_airflow, "-c", VERSION], cwd=project).split()[-1]
    command = [".venv/bin/airflow-etl", "rehearse", version, "--python", next_airflow]
    printed = run(command, cwd=project, expect=1)
    rows = [line.split(None, 3) for line in printed.splitlines()]
    assert "import error  dags/moved.py:7" in printed, printed
    assert "It is in airflow.sdk.importers now." in printed
    assert ["changed", "dags/changed.py", "changed", "max_active_tasks: 16 → 8"] in rows, printed
    assert "same" not in printed
    assert "a copy of .airflow/airflow.db was migrated in" in printed
    assert printed.splitlines()[-1] == "2 differences, 1 of them a failure"
    assert database.read_bytes() == before
    database.write_bytes(b"no database at all" * 100)
    assert "cannot be copied: file is not a database" in run(command, cwd=project, expect=2)
    url = "postgresql://etl@localhost/airflow"
    (project / ".env").write_text(f'AIRFLOW__DATABASE__SQL_ALCHEMY_CONN="{url}"\n')
    assert "own database" in run([*command, "--database", url], cwd=project, expect=2)


@pytest.fixture
def project(bake_fresh):
    return bake_fresh()


def rehearse(project, *words, expect=2, **environment):
    """Run it by this Python, which has the tools and no Airflow."""
    return run([sys.executable, "-m", "etl_tools.cli", "rehearse", *words], cwd=project, expect=expect, **environment)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "Name a version: make rehearse AIRFLOW=3.4.0"),
        (("latest",), "latest is no version of Airflow: write one as 3.4.0 or 3.4.0b2"),
        (("9.9.9",), "The index has no Airflow 9.9.9: name one that it has"),
    ],
)
def test_what_cannot_be_tried_is_said_in_a_line(project, words, said):
    printed = rehearse(project, *words)
    assert said in printed.splitlines()[-1]
    assert "Traceback" not in printed
    assert not list(project.glob(".airflow/rehearse/*"))


COMPARE = """
from etl_tools.local.rehearse import Side, compare, last_line, requirements, table, why_not

def look(values=(), serialized=(), **changed):
    one = {"file": "dags/a.py", "values": dict(values), "tasks": {"t": {"retries": 0}}, "serialized": dict(serialized)}
    return {"version": "1", "seconds": 1, "errors": {}, "warnings": {}, "moved": {}, "dags": {"a": one}} | changed

def finding(rule, wrong):
    return {"file": "dags/a.py", "line": 3, "rule": rule, "wrong": wrong, "write": "Do it", "dag_id": ""}

same = Side(look(), [])
assert compare(same, same) == []
# A key that only one version writes is its form; the order of a list is no change
ours, theirs = {"tags": ["a", "b"], "form": 1, "old": 1}, {"tags": ["b", "a"], "form": 1, "new": 2}
assert compare(Side(look(serialized=ours), []), Side(look(serialized=theirs), [])) == []
ours, theirs = {"schedule": {"every": [60.0]}}, {"schedule": {"every": [30.0]}}
[row] = compare(Side(look(serialized=ours), []), Side(look(serialized=theirs), []))
assert (row.kind, row.what) == ("changed", "schedule.every[0]: 60.0 → 30.0")
many = {str(number): number for number in range(9)}, {str(number): -1 for number in range(9)}
rows = compare(*(Side(look(values=values), []) for values in many))
assert [row.what for row in rows][-1] == "and 4 more"
[row] = compare(same, Side(look(dags={}), []))
assert (row.kind, row.what) == ("DAG gone", "a")
[row] = compare(same, Side(look(), [], "sets are not found"))
assert (row.kind, row.what) == ("checks", "sets are not found")
[row] = compare(same, Side(look(), [], blind=("unstable",)))
assert (row.kind, row.what) == ("checks", "with Airflow 1 unstable says nothing of a DAG file that breaks it")
rows = compare(same, Side(look(), [finding("airflow-3", "x is deprecated"), finding("unstable", "y")]))
assert [row.kind for row in rows] == ["deprecated", "finding"]
assert compare(Side(look(), [finding("unstable", "y")]), Side(look(), [finding("unstable", "y")])) == []
warned = {"dags/a.py": ["/dags/a.py:3: airflow.DeprecatedImportWarning: a.b is deprecated. Use c.d instead."]}
[row] = compare(same, Side(look(warnings=warned), []))
assert row.what == "a.b is deprecated. Use c.d instead."
said = "File x\\nsqlalchemy.exc.OperationalError: FATAL: no password\\n(Background on this error at: https://x)\\n"
assert last_line(said) == "sqlalchemy.exc.OperationalError: FATAL: no password"
assert last_line("one\\ntwo\\n") == "two"
assert last_line("") == "it says nothing"
assert requirements("3.4.0")[0] == "apache-airflow==3.4.0"
assert not any(one.startswith("apache-airflow==") for one in requirements("3.4.0")[1:])
assert "cannot be installed beside" in why_not("3.4.0", "Because a depends on b, no solution")
"""


def test_what_differs(project):
    run([sys.executable, "-c", COMPARE], cwd=project, PYTHONPATH=str(TEMPLATE / "src"))
