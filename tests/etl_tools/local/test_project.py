"""Baked projects as their users have them: installed from their own lock, run and tested by their own commands."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

from tests.conftest import TEMPLATE, clean_environment, run
from tests.e2e.event_service import EventService
from tests.servers.ports import listening

pytestmark = pytest.mark.airflow

# The default, and one project for each of the other executors, a nested DAG folder and GitLab.
PROJECTS = {
    "default": {},
    "kubernetes-nested": {
        "executor": "KubernetesExecutor",
        "dags_subpath": "airflow/dags",
        "project_slug": "nested-etl",
    },
    "local-gitlab": {"executor": "LocalExecutor", "ci": "gitlab", "project_slug": "gitlab-etl"},
}


@pytest.mark.parametrize("answers", PROJECTS.values(), ids=PROJECTS)
def test_own_tests_pass(installed, answers):
    printed = run(["make", "test"], cwd=installed(**answers), PYTEST_ADDOPTS="-rs")
    summary = printed.strip().splitlines()[-1]
    assert " passed" in summary
    assert "failed" not in summary
    assert "SKIPPED" not in printed, printed


def test_lint_passes(installed):
    run(["make", "lint"], cwd=installed())


def test_demo_runs_the_sample_and_says_where_the_data_lies(tmp_path):
    """`make demo` in this very checkout, with uv taken away from PATH: the Makefile has to bring its own."""
    printed = run(["make", "demo", "SLUG=demo-etl"], cwd=TEMPLATE)
    data = TEMPLATE / "build" / "demo-etl" / ".airflow" / "data"
    assert str(data) in printed
    assert len(list(data.glob("clean/earthquakes/partition_date=*/*.parquet"))) == 3
    assert list(data.glob("raw/earthquakes/partition_date=*/*.csv"))
    extract, transform = printed.partition("\ntransform")[::2]
    for rows, words in ((extract, "files bytes seconds"), ("transform" + transform, "read clean duplicates rejected")):
        header, *days = [line for line in rows.splitlines() if line.startswith(("extract ", "transform ", "2018-"))]
        assert [word for word in words.split() if word not in header] == []
        assert [day[:10] for day in days] == ["2018-02-01", "2018-02-02", "2018-02-03"]
        assert {len(line) for line in days} == {len(header)}


def test_a_day_from_a_service(installed):
    """What ETL_SOURCE=usgs does, with a service on this machine in place of the live one."""
    project = installed()
    service = EventService(next(project.glob("dags/*/*/sample")))
    try:
        run(["make", "run", f"ETL_SOURCE={service.url}", "DATE=2018-02-03"], cwd=project)
    finally:
        service.close()
    raw = next(project.glob(".airflow/data/raw/earthquakes/partition_date=2018-02-03/*.csv"))
    assert raw.read_bytes() == next(project.glob("dags/*/*/sample/2018-02-03.csv")).read_bytes()


def test_ui_shows_both_dags_and_ends_with_ctrl_c(project, tmp_path):
    """After `make run`, which leaves the DAGs paused; where somebody else has the usual port; with a browser."""
    run(["make", "run", "DATE=2018-02-03"], cwd=project)
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {tmp_path}/opened\n')
    browser.chmod(0o755)
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(OSError):  # somebody else has it
            taken.bind(("127.0.0.1", 8080))
            taken.listen()
        ui = subprocess.Popen(
            ["make", "ui"],
            cwd=project,
            env=clean_environment() | {"BROWSER": f"{browser} %s"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            said = ""
            while "Ctrl-C stops everything" not in said:
                line = ui.stdout.readline()
                assert line, f"make ui ended:\n{said}"
                said += line
            login = {name: re.search(rf"{name} +(\S+)", said)[1] for name in ("user", "password")}
            address = re.search(r"http://localhost:(\d+)", said)
            port = int(address[1])
            assert port != 8080
            assert f"runs already.\n\n  Airflow    {address[0]}\n" in run(["make", "ui"], cwd=project)
            token = ask(port, "/auth/token", {"username": login["user"], "password": login["password"]})["access_token"]
            found = ask(port, "/api/v2/dags", token=token)["dags"]
            assert {dag["dag_id"]: dag["is_paused"] for dag in found} == {"extract": False, "transform": False}
            started = run_block(project, "TOKEN=", port, login["password"])
            assert json.loads(started[started.index("{") :])["partition_key"] == "2018-02-01"
            # The sample has no yesterday: a run by the clock would be one of skipped tasks.
            assert partitions(port, token, "extract", run_type="scheduled") == set()
            # It follows by itself; how soon is a matter of the machine.
            end = time.monotonic() + 900
            while "2018-02-01" not in (done := partitions(port, token, "transform", state="success")):
                assert time.monotonic() < end, done
                time.sleep(1)
            assert (tmp_path / "opened").read_text().strip() == address[0]
        finally:
            # As a terminal does: to make and to all that it started, but for Airflow, which has a session of its own.
            os.killpg(ui.pid, signal.SIGINT)
            time.sleep(1)
            os.killpg(ui.pid, signal.SIGTERM)  # a second one hurries nothing, and leaves nothing behind
            rest, _ = ui.communicate(timeout=120)
    assert "Stopping Airflow" in rest
    assert not listening(port)
    left_open = [
        path for path in (project / ".airflow").rglob("*") if not path.is_symlink() and path.stat().st_mode & 0o077
    ]
    assert left_open == [], "passwords and logs are for their owner alone"


def test_a_backfill_of_a_live_source(project):
    """The block of docs/own-data.md. Nobody works on the runs: no scheduler is there."""
    airflow = [".venv/bin/airflow-etl", "environment", ".venv/bin/airflow"]
    live = {"ETL_SOURCE": "https://example.com/query"}
    run([*airflow, "db", "migrate"], cwd=project)
    run([*airflow, "dags", "reserialize"], cwd=project, **live)
    run_block(project, "airflow backfill create", 0, "", **live)
    printed = run([*airflow, "dags", "list-runs", "extract", "--output", "json"], cwd=project, **live)
    assert {"2018-02-01", "2018-02-02", "2018-02-03"} <= set(re.findall(r"2018-02-0\d", printed))


def partitions(port, token, dag, **filters):
    """Return the days that a DAG has runs for."""
    query = "&".join(f"{name}={value}" for name, value in {"limit": 100, **filters}.items())
    runs = ask(port, f"/api/v2/dags/{dag}/dagRuns?{query}", token=token)["dag_runs"]
    return {run["partition_key"] for run in runs}


def test_the_notebook_opens_a_clean_day(bake_fresh):
    project = bake_fresh()
    run(["make", "run", "DATE=2018-02-01"], cwd=project)
    run(["make", ".venv/notebook.lock"], cwd=project)
    command = ".venv/bin/jupyter nbconvert --to notebook --execute --stdout --log-level ERROR notebooks/explore.ipynb"
    printed = run([".venv/bin/python", "-m", "etl_tools.cli", "environment", *command.split()], cwd=project)
    cells = [cell for cell in json.loads(printed[printed.index("{") :])["cells"] if cell["cell_type"] == "code"]
    assert "224 rows" in "".join(cells[0]["outputs"][0]["data"]["text/plain"])
    assert run([".venv/bin/nbstripout", "--verify", "notebooks/explore.ipynb"], cwd=project) == ""
    # The page itself, on a port that Jupyter finds.
    jupyter = subprocess.Popen(
        ["make", "notebook", "OPEN=0"],
        cwd=project,
        env=clean_environment() | {"JUPYTER_PREFER_ENV_PATH": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        said = ""
        while not (address := re.search(r"http://(?:localhost|127.0.0.1):\d+/\S*token=\w+", said)):
            line = jupyter.stdout.readline()
            assert line, f"make notebook ended:\n{said}"
            said += line
        assert b"jupyter" in page_at(address[0]).lower()
    finally:
        os.killpg(jupyter.pid, signal.SIGTERM)
        jupyter.communicate(timeout=60)


def page_at(address):
    """The page, as soon as its server takes connections: it prints the address before that."""
    for _ in range(60):
        with contextlib.suppress(OSError), urllib.request.urlopen(address) as page:
            return page.read()
        time.sleep(1)
    raise AssertionError(f"nothing at {address}")


def test_what_an_ide_reads_is_there(project):
    """.env has what dag.test() needs; the launch settings of VS Code start what is there."""
    run(["make", "run", "DATE=2018-02-01"], cwd=project)
    run([".venv/bin/python", "-m", "etl_tools.cli", "environment"], cwd=project)
    variables = dict(line.split("=", 1) for line in (project / ".env").read_text().splitlines()[1:])
    variables = {name: value.strip('"') for name, value in variables.items()}
    code = "from extract import extract; print(extract().test(run_conf={'partition': '2018-02-02'}).state)"
    printed = run([".venv/bin/python", "-c", code], cwd=project, **variables)
    assert printed.splitlines()[-1] == "success"
    settings = json.loads((project / ".vscode" / "settings.json").read_text())
    launch = json.loads((project / ".vscode" / "launch.json").read_text())
    asked = {entry["id"]: "extract" for entry in launch["inputs"]}
    values = {"workspaceFolder": str(project), "file": "tests/test_dag_integrity.py"}
    values["fileBasenameNoExtension"] = "transform"  # of dags/transform.py
    assert [project / argument for argument in settings["python.testing.pytestArgs"]] == [project / "tests"]
    values |= {f"input:{name}": value for name, value in asked.items()}

    def filled(text):
        return re.sub(r"\$\{(.+?)\}", lambda match: values[match[1]], text)

    python = filled(settings["python.defaultInterpreterPath"])
    assert filled(settings["python.envFile"]) == str(project / ".env")
    for configuration in launch["configurations"]:
        assert filled(configuration["envFile"]) == str(project / ".env")
        arguments = [filled(argument) for argument in configuration["args"]]
        run([python, "-m", configuration["module"], *arguments], cwd=filled(configuration["cwd"]), **variables)
    # A person's own .env stays.
    (project / ".env").write_text("MINE=1\n")
    run([".venv/bin/python", "-m", "etl_tools.cli", "environment"], cwd=project)
    assert (project / ".env").read_text() == "MINE=1\n"


def run_block(project, words, port, password, **environment):
    """Run the pages' bash block that holds these words, against this port and with this password."""
    text = "".join(page.read_text() for page in [project / "README.md", *project.glob("docs/*.md")])
    block = next(block for block in re.findall(r"^```bash\n(.*?)^```", text, re.M | re.S) if words in block)
    block = block.replace("localhost:8080", f"localhost:{port}").replace("…", password).replace("curl ", "curl -sS ")
    return run(["bash", "-euo", "pipefail", "-c", block], cwd=project, **environment)


def ask(port, path, body=None, token=None):
    """Return what Airflow's API answers, as JSON."""
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    content = json.dumps(body).encode() if body else None
    with urllib.request.urlopen(urllib.request.Request(f"http://localhost:{port}{path}", content, headers)) as answer:
        return json.load(answer)


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13", "3.14"])
def test_lock_fits_every_supported_python(installed, python, tmp_path):
    project = installed()
    command = "uv pip install --dry-run --require-hashes --only-binary :all: --python .venv/bin/python"
    run(
        [*command.split(), "--python-version", python, "--target", str(tmp_path), "-r", "requirements.lock"],
        cwd=project,
    )


def test_plain_pip_installs_the_lock(bake, tmp_path):
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    python = tmp_path / "venv" / "bin" / "python"
    install = ["install", "--quiet", "--no-compile", "--require-hashes", "--find-links", "vendor"]
    run([python, "-m", "pip", *install, "-r", "requirements.lock"], cwd=bake())
    run([python, "-m", "pip", "check"], cwd=tmp_path)
    assert "pandas" in run([python, "-c", "import airflow, pandas; print(pandas.__name__)"], cwd=tmp_path)


def test_no_installed_module_can_be_a_project(installed):
    """Every top-level module of the environment is refused as a package name (add it to the hook's list)."""
    from hooks import pre_gen_project as hook

    script = (
        "import pkgutil, sysconfig; print(*(m.name for m in pkgutil.iter_modules([sysconfig.get_path('purelib')])"
        " if not m.name.startswith('_')))"
    )
    names = run([".venv/bin/python", "-c", script], cwd=installed()).split()
    assert len(names) > 50
    free = [
        name
        for name in names
        if name == name.lower()
        and not any("existing" in p for p in hook.check_slug({"project_slug": name.replace("_", "-")}))
    ]
    assert [name for name in free if not name[0].isdigit() and "__" not in name] == []


def other_python(folder):
    """Return a program that says it is Python 3.9, and does nothing else."""
    folder.mkdir(parents=True, exist_ok=True)
    python = folder / "python"
    python.write_text('#!/bin/sh\n[ "$1" = --version ] && echo Python 3.9.18 || exit 1\n')
    python.chmod(0o755)
    return python


@pytest.mark.parametrize(("name", "words"), [("3.9", "Python 3.9.18: "), ("none", "No /nonexistent/python: ")])
def test_a_wrong_python_is_said_before_anything_is_installed(bake_fresh, tmp_path, name, words):
    project = bake_fresh()
    python = other_python(tmp_path) if name == "3.9" else "/nonexistent/python"
    said = run(["make", "install", f"PYTHON={python}"], cwd=project, expect=2)
    assert said.splitlines()[0].startswith(f"{words}this project needs Python 3.11 to 3.14. Name one: make install ")
    assert not (project / ".venv").exists()


def test_an_environment_of_a_wrong_python_is_replaced(bake_fresh):
    project = bake_fresh()
    other_python(project / ".venv" / "bin")
    run(["make", "install", f"PYTHON={sys.executable}"], cwd=project)
    assert run([".venv/bin/airflow-etl", "--version"], cwd=project).startswith("airflow-etl-tools ")
