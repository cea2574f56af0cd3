"""make new-dag in a baked project: what it writes works at once, what it cannot write it refuses in a line."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import clean_environment, run

BIN = Path(sys.executable).parent
LONGEST = "a" * 40
DAY = "2018-02-01"


def new_dag(project, *arguments):
    """Run the script with this environment's Python, so that Airflow need not be installed; return the result."""
    command = [sys.executable, "-m", "tools.local.new_dag", *arguments]
    return subprocess.run(
        command, cwd=project, env=clean_environment(), capture_output=True, text=True, check=False, timeout=60
    )


def files(project):
    """Return all Python files of the project with their content."""
    return {path: path.read_bytes() for path in project.rglob("*.py")}


@pytest.mark.parametrize("name", ["orders", "a", LONGEST])
@pytest.mark.parametrize(
    "answers",
    [{}, {"dags_subpath": "airflow/dags", "project_slug": "a-project-with-the-longest-name-possible"}],
    ids=["default", "long"],
)
def test_what_is_written_is_in_style(bake_fresh, answers, name):
    project = bake_fresh(**answers)
    before = files(project)
    result = new_dag(project, name)
    assert result.returncode == 0, result.stderr
    dags = project / answers.get("dags_subpath", "dags")
    package = answers.get("project_slug", "my-etl").replace("-", "_")
    written = {dags / f"{name}.py", dags / package / f"{name}.py", project / "tests" / f"test_{name}.py"}
    after = files(project)
    assert set(after) - set(before) == written
    assert {path: after[path] for path in before} == before
    assert all(str(path.relative_to(project)) in result.stdout for path in written)
    for path in written:
        compile(after[path], path, "exec")
        assert not re.search(rb"\$|cookiecutter", after[path])
    run([BIN / "ruff", "check", "--no-cache", "."], cwd=project)
    run([BIN / "ruff", "format", "--no-cache", "--check", "."], cwd=project)
    run([sys.executable, "-m", "tools.dag_integrity", "--static", *written], cwd=project)


REFUSED = {
    "nothing": ([], "make new-dag NAME=orders"),
    "empty": ([""], "make new-dag NAME=orders"),
    "capitals": (["Orders"], "a-z, 0-9 and _"),
    "two words": (["my orders"], "a-z, 0-9 and _"),
    "hyphen": (["my-orders"], "a-z, 0-9 and _"),
    "digit first": (["1orders"], "a letter first"),
    "too long": ([LONGEST + "a"], "at most 40"),
    "letter of another script": (["órdenes"], "a-z, 0-9 and _"),
    "path": (["../orders"], "a-z, 0-9 and _"),
    "shell": (["$(touch made)"], "a-z, 0-9 and _"),
    "newline": (["orders\n"], "a-z, 0-9 and _"),
    "keyword": (["class"], "word of the Python language"),
    "soft keyword": (["match"], "word of the Python language"),
    "standard library": (["json"], "name of a Python module"),
    "installed module": (["yaml"], "name of a Python module"),
    "a DAG": (["extract"], "dags/extract.py exists"),
    "a module of the package": (["settings"], "dags/my_etl/settings.py exists"),
    "the package": (["my_etl"], "dags/my_etl/ exists"),
    "a test": (["dag_integrity"], "tests/test_dag_integrity.py exists"),
}


@pytest.fixture(scope="module")
def untouched(bake):
    """Return a project that every refusal must leave as it is."""
    return bake()


@pytest.mark.parametrize("case", REFUSED)
def test_refusal_is_one_line_and_changes_nothing(untouched, case):
    arguments, reason = REFUSED[case]
    before = files(untouched)
    result = new_dag(untouched, *arguments)
    assert result.returncode == 1
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    assert reason in result.stderr
    assert files(untouched) == before


def test_second_time_is_refused(bake_fresh):
    project = bake_fresh()
    assert new_dag(project, "orders").returncode == 0
    before = files(project)
    result = new_dag(project, "orders")
    assert (result.returncode, result.stdout) == (1, "")
    assert "dags/orders.py exists" in result.stderr
    assert files(project) == before


@pytest.mark.parametrize("name", ["$(touch made)", "a;touch made", "a'b", 'a"b', "`touch made`"])
def test_make_hands_a_name_over_as_it_is(bake_fresh, name):
    project = bake_fresh()
    command = ["make", "--silent", "new-dag", f"BIN={BIN}", "-o", ".venv/.installed", f"NAME={name.replace('$', '$$')}"]
    output = run(command, cwd=project, expect=2)
    assert f"{name!r} is no name for a DAG" in output
    assert not (project / "made").exists()


@pytest.mark.airflow
def test_new_dag_passes_its_tests_and_runs(bake_fresh):
    project = bake_fresh()
    run(["make", "install"], cwd=project)
    # The import system of Airflow's environment decides what is taken.
    assert "name of a Python module" in run(["make", "--silent", "new-dag", "NAME=pandas"], cwd=project, expect=2)
    run(["make", "--silent", "new-dag", "NAME=orders"], cwd=project)
    run(["make", "--silent", "lint"], cwd=project)
    output = run(["make", "--silent", "test", "DAG=orders"], cwd=project)
    assert re.search(r"tests/test_orders\.py \.\.\.", output)
    assert "test_etl" not in output
    assert "no findings" in run(["make", "--silent", "integrity"], cwd=project)

    nothing_yet = run(["make", "--silent", "run", "DAG=orders", f"DATE={DAY}"], cwd=project, expect=2)
    assert "run extract and transform for it first" in nothing_yet
    run(["make", "--silent", "run", f"DATE={DAY}"], cwd=project)
    output = run(["make", "--silent", "run", "DAG=orders", f"DATE={DAY}"], cwd=project)
    path = re.search(r"'path': '(.+?)', 'rows': (\d+)", output)
    code = f"import pandas, json; print(pandas.read_parquet('.airflow/data/{path[1]}').to_json(orient='records'))"
    rows = json.loads(run([".venv/bin/python", "-c", code], cwd=project))
    assert len(rows) == int(path[2]) > 1
    # What transform kept of the bundled day.
    manifest = next(project.glob(f".airflow/data/clean/**/partition_date={DAY}/_manifest.json"))
    assert sum(row["events"] for row in rows) <= json.loads(manifest.read_text())["counts"]["clean"]

    assert "there is no DAG nope" in run(["make", "--silent", "run", "DAG=nope"], cwd=project, expect=2)
