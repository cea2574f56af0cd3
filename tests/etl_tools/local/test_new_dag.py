"""make new-dag in a baked project: what it writes works at once, what it cannot write it refuses in a line."""

import ast
import contextlib
import functools
import json
import re
import sys
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.conftest import clean_environment, run
from tests.etl_tools.cluster.test_doctor import broken
from tests.etl_tools.in_process import completed, etl

BIN = Path(sys.executable).parent
LONGEST = "a" * 30
DAY = "2018-02-01"
KINDS = ("source", "files", "sql", "asset", "plain", "heavy")


def new_dag(project, *arguments):
    """Run the command with this environment's Python, so that Airflow need not be installed; return the result."""
    return completed(project, ["new-dag", *arguments], clean_environment())


def files(project):
    """Return all Python files of the project with their content."""
    return {path: path.read_bytes() for path in project.rglob("*.py")}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("name", "answers"),
    [
        ("orders", {}),
        ("a", {"owner": "R&D café"}),
        (LONGEST, {"dags_subpath": "airflow/dags", "project_slug": "a-project-with-the-longest-name-possible"}),
    ],
    ids=["default", "short", "long"],
)
def test_what_is_written_is_in_style(bake_fresh, answers, name, kind):
    project = bake_fresh(**answers)
    before = files(project)
    result = new_dag(project, name, "--kind", kind, "--asset", "earthquakes_clean")
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
    if (sample := project / "tests" / f"{name}_sample").exists():
        assert not [path for path in sample.iterdir() if "$" in path.read_text()]
        # What runs in production knows nothing of it.
        assert "sample" not in (dags / f"{name}.py").read_text() + (dags / package / f"{name}.py").read_text()
        # A dataset and its DAG.
        assert name == LONGEST or sum(map(lines_of_code, [dags / f"{name}.py", dags / package / f"{name}.py"])) <= 60
    run([BIN / "ruff", "check", "--no-cache", *written], cwd=project)
    run([BIN / "ruff", "format", "--no-cache", "--check", *written], cwd=project)
    run([sys.executable, "-m", "dag_integrity", "--static", *written], cwd=project)


def lines_of_code(path):
    """Return how many lines of a Python file are code: neither blank, nor a comment, nor a docstring."""
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    words = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node):
            words |= set(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    lines = enumerate(text.splitlines(), 1)
    return sum(1 for number, line in lines if number not in words and line.strip() and line.strip()[0] != "#")


@pytest.mark.parametrize("period", ["hour", "week", "month"])
@pytest.mark.parametrize("kind", ["source", "files", "sql"])
def test_a_period(bake_fresh, kind, period):
    """The dataset, its DAG and sample say it, and so does what is made of it and another one of the period."""
    project = bake_fresh()
    for name in ("orders", "visits"):
        result = new_dag(project, name, "--kind", kind, "--period", period)
        assert result.returncode == 0, result.stderr
    both = ("--kind", "asset", "--asset")
    assert new_dag(project, "both", *both, "orders_clean visits_clean").returncode == 0
    assert new_dag(project, "more", *both, "both_clean visits_clean").returncode == 0
    package = project / "dags" / "my_etl"
    assert f'period="{period}"' in (package / "orders.py").read_text()
    key = {"hour": "2018-02-01T08", "week": "2018-01-29", "month": "2018-02"}[period]
    assert all(key in path.name for path in (project / "tests" / "orders_sample").iterdir())
    assert f'DAY = "{key}"' in (project / "tests" / "test_orders.py").read_text()
    for name in ("both", "more"):
        text = (project / "dags" / f"{name}.py").read_text()
        assert f'tasks.params(accept=False, period="{period}")' in text
        assert f'Period("{period}")' in text
    assert 'Asset("both_clean") & Asset("visits_clean")' in text
    mixed = new_dag(project, "mixed", *both, "both_clean earthquakes_clean")
    assert mixed.stderr == (
        "What is made of several has their period, which must be the same: "
        f"both_clean by the {period}, earthquakes_clean by the day.\n"
    )
    changed = [path for path in files(project) if path.name.endswith(("orders.py", "visits.py", "both.py", "more.py"))]
    run([BIN / "ruff", "check", "--no-cache", *changed], cwd=project)
    run([BIN / "ruff", "format", "--no-cache", "--check", *changed], cwd=project)


REFUSED = {
    "nothing": ([], "make new-dag NAME=orders"),
    "empty": ([""], "make new-dag NAME=orders"),
    "capitals": (["Orders"], "a-z, 0-9 and _"),
    "two words": (["my orders"], "a-z, 0-9 and _"),
    "hyphen": (["my-orders"], "a-z, 0-9 and _"),
    "digit first": (["1orders"], "a letter first"),
    "too long": ([LONGEST + "a"], "at most 30"),
    "letter of another script": (["órdenes"], "a-z, 0-9 and _"),
    "path": (["../orders"], "a-z, 0-9 and _"),
    "shell": (["$(touch made)"], "a-z, 0-9 and _"),
    "newline": (["orders\n"], "a-z, 0-9 and _"),
    "keyword": (["class"], "word of the Python language"),
    "soft keyword": (["match"], "word of the Python language"),
    "standard library": (["json"], "name of a Python module"),
    "installed module": (["yaml"], "name of a Python module"),
    "a DAG": (["extract"], "dags/extract.py exists"),
    "a folder of the package": (["datasets"], "dags/my_etl/datasets exists"),
    "a kind that is not there": (["orders", "--kind", "Source"], "only source, files, sql, asset, plain, heavy"),
    "a period that is not there": (["orders", "--period", "year"], "only hour, day, week, month"),
    "no asset": (["orders", "--kind", "asset"], "some of earthquakes_clean"),
    "an asset of no DAG": (["orders", "--kind", "asset", "--asset", "x_clean"], "some of earthquakes_clean"),
    "the package": (["my_etl"], "dags/my_etl exists"),
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
    assert f"{name!r} is not a name for a DAG" in output
    assert not (project / "made").exists()


@pytest.fixture(scope="module")
def emptied(project):
    """The project as a commit, and then without the example."""
    run(["git", "init", "--quiet"], cwd=project)
    run(["git", "add", "--all"], cwd=project)
    run(["git", "commit", "--quiet", "--message", "Begin"], cwd=project)
    run(["make", "--silent", "remove-example"], cwd=project)
    return project


@pytest.mark.airflow
def test_without_the_example_all_else_works(emptied):
    left = run(
        ["git", "grep", "-liE", "earthquake|usgs", "--", ":!docs", ":!*.md", ":!vendor"], cwd=emptied, expect=None
    )
    assert set(left.split()) <= {"dags/my_etl/datasets/__init__.py", "Makefile"}, left
    run(["make", "--silent", "lint"], cwd=emptied)
    assert "failed" not in run(["make", "--silent", "test"], cwd=emptied)
    assert "there is no DAG of a dataset" in run(["make", "--silent", "run"], cwd=emptied, expect=2)
    run(["git", "commit", "--quiet", "--all", "--message", "Without the example"], cwd=emptied)
    (found,) = broken(run(["make", "--silent", "doctor", "OFFLINE=1"], cwd=emptied, expect=2))
    assert "git_repo: still the placeholder" in found
    assert "it is gone already" in run(["make", "--silent", "remove-example"], cwd=emptied)


def made_by(project, *words):
    """What `make run` prints, without the lines that only say that it takes its time."""
    printed = run(["make", "--silent", "run", *words], cwd=project)
    return re.sub(r"^.* \.\.\. \d+ s\n", "", printed, flags=re.MULTILINE)


@pytest.mark.airflow
def test_new_dag_passes_its_tests_and_runs(emptied):
    """Every kind, where the example is gone: what is written passes lint, integrity and its tests, and runs."""
    # The import system of Airflow's environment decides what is taken.
    assert "name of a Python module" in run(["make", "--silent", "new-dag", "NAME=pandas"], cwd=emptied, expect=2)
    run(["make", "--silent", "new-dag", "NAME=orders"], cwd=emptied)
    for kind in KINDS[1:]:
        run(["make", "--silent", "new-dag", f"NAME=my_{kind}", f"KIND={kind}", "ASSET=orders_clean"], cwd=emptied)
    for kind, period in (("source", "hour"), ("files", "week"), ("sql", "month")):
        run(["make", "--silent", "new-dag", f"NAME=by_{period}", f"KIND={kind}", f"PERIOD={period}"], cwd=emptied)
    run(
        ["make", "--silent", "new-dag", "NAME=several", "KIND=asset", "ASSETS=my_asset_clean my_sql_clean"], cwd=emptied
    )
    run(["make", "--silent", "lint"], cwd=emptied)
    assert "no findings" in run(["make", "--silent", "integrity"], cwd=emptied)
    unknown = {"MY_SQL_SOURCE": "shop", "AIRFLOW_CONN_SHOP": "postgres://db", "PYTHONPATH": "dags"}
    said = run([".venv/bin/python", "-c", "from my_etl import my_sql as m; m.database()"], emptied, 1, **unknown)
    assert "make add PKG=apache-airflow-providers-postgres" in said
    # First of all the one that needs another's day, which is not there yet.
    made = made_by(emptied, "DAG=my_asset")
    assert re.search(rf"^orders .*\n{DAY} +3 +3 .*\nmy_asset .*\n{DAY} +3 ", made, re.MULTILINE)
    for name in ("orders", "my_files", "my_sql"):
        printed = run(["make", "--silent", "run", "DAG=orders".replace("orders", name)], cwd=emptied)
        code = f"import pandas as pd; print(*{printed.splitlines()[-1].removeprefix('Open it: ')}['total'])"
        assert run([".venv/bin/python", "-c", code], cwd=emptied).split() == ["25.0", "32.0", "99.0"]
        # With a source of one's own, neither make run nor the form of the UI has a day of the sample.
        own = run(["make", "--silent", "run", f"DAG={name}", f"{name.upper()}_SOURCE=own"], cwd=emptied, expect=2)
        assert f"{name} offers no day" in own
    for name, why in (
        ("my_files", r"file:///data/my_files \(MY_FILES_SOURCE\) has no file of"),
        ("my_sql", r"there is no connection my_sql: write AIRFLOW_CONN_MY_SQL=… into secrets/connections\.env"),
    ):
        assert re.search(why, run(["make", "--silent", "run", f"DAG={name}", f"DATE={DAY}"], cwd=emptied, expect=2))
    made = made_by(emptied, "DAG=several")
    assert re.search(rf"^several .*\n{DAY} +7 ", made, re.MULTILINE)
    made = made_by(emptied, "DAG=by_month")
    assert "tests/by_month_sample stands in for the source of by_month" in made
    assert re.search(r"^by_month .*\n2018-02 +3 +3 ", made, re.MULTILINE)
    for name in ("my_plain", "my_heavy"):
        assert " 60" in run(["make", "--silent", "run", f"DAG={name}"], cwd=emptied)
    output = run(["make", "--silent", "test", "DAG=orders"], cwd=emptied)
    assert re.search(r"tests/test_orders\.py \.\.", output)
    assert "test_my_files" not in output
    # fetch has become real, and whom it asks is not there: the tests stay as they are.
    module = emptied / "dags" / "my_etl" / "orders.py"
    real = module.read_text().replace("https://example.com/orders", "http://127.0.0.1:9/orders")
    module.write_text(real.replace("client.pages(", "client.get_json(").replace(', rows="rows", next="next")', ")"))
    assert "get_json(URL, query)" in module.read_text()
    run([".venv/bin/python", "-m", "pytest", "-q", "tests/"], cwd=emptied)


@pytest.fixture
def sources(emptied):
    """A project with one dataset of each kind that has a source."""
    for kind in ("source", "files", "sql"):
        if not (emptied / "dags" / f"my_{kind}.py").exists():
            run(["make", "--silent", "new-dag", f"NAME=my_{kind}", f"KIND={kind}"], cwd=emptied)
    return emptied


@pytest.mark.airflow
def test_what_new_dag_writes_asks_a_real_source(sources, tmp_path):
    """Pages of an API, files in a folder, a database: each by the fetch that was written, without a sample."""
    rows = [{"id": f"a{n}", "at": f"{DAY}T0{n}:00:00Z", "price": n, "pieces": 1} for n in (1, 2, 3)]
    (tmp_path / "first").write_text(json.dumps({"rows": rows[:2], "next": "last"}))
    (tmp_path / "last").write_text(json.dumps({"rows": rows[2:]}))
    lines = ["id,at,price,pieces", *(f"{row['id']},{row['at']},{row['price']},1" for row in rows)]
    # An empty file, and one with a byte order mark, are no other columns.
    for number, content in enumerate(["", "\n".join(lines[:3]), f"\ufeff{lines[0]}\r\n{lines[3]}\r\n"]):
        (tmp_path / f"shop-{number}_{DAY}.csv").write_text(content, newline="")
    with http_server(tmp_path) as url:
        for name, source in (("my_source", f"{url}/first"), ("my_files", tmp_path.as_uri())):
            made = made_by(sources, f"DAG={name}", f"DATE={DAY}", f"{name.upper()}_SOURCE={source}")
            assert re.search(rf"^{name} .*\n{DAY} +3 +3 ", made, re.MULTILINE)
    code = """
import datetime, json, sqlalchemy, sys
from my_etl import my_sql
engine = sqlalchemy.create_engine("sqlite://", poolclass=sqlalchemy.StaticPool)
with engine.begin() as connection:
    connection.exec_driver_sql("create table my_sql (id text, at text, price real, pieces integer)")
    connection.execute(
        sqlalchemy.text("insert into my_sql values (:id, :at, :price, :pieces)"), json.loads(sys.argv[1])
    )
my_sql.database = lambda: engine
start = datetime.datetime(2018, 2, 1, tzinfo=datetime.UTC)
print([row["id"] for row in my_sql.fetch(start, start + datetime.timedelta(hours=3))])
"""
    printed = run([".venv/bin/python", "-c", code, json.dumps(rows)], cwd=sources, PYTHONPATH="dags")
    assert printed.splitlines()[-1] == "['a1', 'a2']"


@contextlib.contextmanager
def http_server(folder):
    """The URL of a server of the files in a folder."""
    handler = functools.partial(SimpleHTTPRequestHandler, directory=folder)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.airflow
def test_a_task_runs_in_the_environment_that_is_named(emptied, tmp_path):
    """KIND=heavy with a Python that has no Airflow."""
    if not (emptied / "dags" / "my_heavy.py").exists():
        run(["make", "--silent", "new-dag", "NAME=my_heavy", "KIND=heavy"], cwd=emptied)
    python, used = tmp_path / "heavy", tmp_path / "used"
    python.write_text(f'#!/bin/sh\ntouch {used}\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    assert " 60" in run(["make", "--silent", "run", "DAG=my_heavy", f"MY_HEAVY_PYTHON={python}"], cwd=emptied)
    assert used.exists()


def test_the_example_stays_while_git_does_not_have_it(bake_fresh):
    project = bake_fresh()
    before = files(project)
    assert "commit first" in etl(project, "remove-example", expect=1, PATH="/nowhere")  # there is no git
    for step in (["git", "init", "--quiet"], ["git", "add", "--all"]):
        run(step, cwd=project)
        assert "commit first, or make remove-example YES=1" in etl(project, "remove-example", expect=1)
    run(["git", "commit", "--quiet", "--message", "Begin"], cwd=project)
    extract = project / "dags" / "extract.py"
    extract.write_text(extract.read_text() + "# mine\n")
    assert "commit first" in etl(project, "remove-example", expect=1)
    assert files(project).keys() == before.keys()
    printed = etl(project, "remove-example", "--yes")
    assert "README.md" in printed.split("rewrite")[1]
    assert not extract.exists()
    assert not list(project.rglob("*arthquake*"))
    assert "ETL_SOURCE" not in (project / "helm" / "values.yaml").read_text()
