"""Baked projects as their users have them: installed from their own lock, run and tested by their own commands."""

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request

import pytest

from tests.conftest import TEMPLATE, clean_environment, run
from tests.e2e.event_service import EventService
from tests.servers.ports import free_port, listening

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
    for word in ("read", "clean", "rejected", "partitions", "files", "seconds"):
        assert word in printed.lower()
    data = TEMPLATE / "build" / "demo-etl" / ".airflow" / "data"
    assert str(data) in printed
    assert list(data.glob("clean/earthquakes/partition_date=*/*.parquet"))
    assert list(data.glob("raw/earthquakes/partition_date=*/*.csv*"))
    header = next(line for line in printed.splitlines() if line.startswith("day "))
    rows = [line for line in printed.splitlines() if line.startswith(("2018-02-0", "total "))]
    assert len(rows) == 7
    assert [line for line in rows if not re.search(r" \d+\.\d$", line) or len(line) != len(header)] == []


def test_one_day(installed):
    printed = run(["make", "run", "DATE=2018-02-01"], cwd=installed())
    assert "2018-02-01" in printed
    assert "2018-02-02" not in printed


def test_a_day_from_a_service(installed):
    """What ETL_SOURCE=usgs does, with a service on this machine in place of the live one."""
    project = installed()
    service = EventService(next(project.glob("dags/*/sample")))
    try:
        run(["make", "run", f"ETL_SOURCE={service.url}", "DATE=2018-02-03"], cwd=project)
    finally:
        service.close()
    manifest = next(project.glob(".airflow/data/raw/earthquakes/partition_date=2018-02-03/_manifest.json"))
    lines = next(project.glob("dags/*/sample/2018-02-03.csv")).read_text().splitlines()
    assert json.loads(manifest.read_text())["rows"] == len(lines) - 1


def test_ui_shows_both_dags_and_ends_with_ctrl_c(installed):
    port = free_port()
    ui = subprocess.Popen(
        ["make", "ui"],
        cwd=installed(),
        env=clean_environment() | {"AIRFLOW__API__PORT": str(port)},
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
        assert f"http://localhost:{port}" in said
        token = ask(port, "/auth/token", {"username": login["user"], "password": login["password"]})["access_token"]
        found = ask(port, "/api/v2/dags", token=token)["dags"]
        assert {dag["dag_id"] for dag in found} == {"extract", "transform"}
        started = run_block(installed(), "TOKEN=", port, login["password"])
        assert json.loads(started[started.index("{") :])["partition_key"] == "2018-02-01"
        run_block(installed(), "airflow backfill create", port, login["password"])
        keys = [day["partition_key"] for day in ask(port, "/api/v2/dags/extract/dagRuns", token=token)["dag_runs"]]
        assert {f"2018-02-0{day}" for day in (1, 2, 3, 4, 5, 6)} <= set(keys)
    finally:
        # As a terminal does: to make and to all that it started, but for Airflow, which has a session of its own.
        os.killpg(ui.pid, signal.SIGINT)
        rest, _ = ui.communicate(timeout=120)
    assert "Stopping Airflow" in rest
    assert not listening(port)


def run_block(project, words, port, password):
    """Run the README's bash block that holds these words, against this port and with this password."""
    readme = (project / "README.md").read_text()
    block = next(block for block in re.findall(r"^```bash\n(.*?)^```", readme, re.M | re.S) if words in block)
    block = block.replace("localhost:8080", f"localhost:{port}").replace("…", password).replace("curl ", "curl -sS ")
    return run(["bash", "-euo", "pipefail", "-c", block], cwd=project)


def ask(port, path, body=None, token=None):
    """Return what Airflow's API answers, as JSON."""
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    content = json.dumps(body).encode() if body else None
    with urllib.request.urlopen(urllib.request.Request(f"http://localhost:{port}{path}", content, headers)) as answer:
        return json.load(answer)


def test_run_ends_with_a_chart_of_the_day(installed):
    project = installed()
    printed = run(["make", "run", "DATE=2018-02-06"], cwd=project)
    names = printed.splitlines()[-1].removeprefix("The chart of 2018-02-06: ").split(", ")
    png, page = ((project / name).read_bytes() for name in names)
    assert png.startswith(b"\x89PNG")
    assert page.count(b"<tr><td>") == 10
    assert b"Hualian, Taiwan" in page
    assert b"<svg" in page
    assert "\033" not in printed, "progress is for terminals only"


@pytest.mark.parametrize(
    ("date", "said"), [("2018-02-30", "2018-02-30"), ("yesterday", "yesterday"), ("1999-01-01", "sample")]
)
def test_a_day_that_cannot_run_gets_a_plain_line(installed, date, said):
    printed = run(["make", "run", f"DATE={date}"], cwd=installed(), expect=2)
    assert said in printed
    assert "Traceback" not in printed


@pytest.mark.parametrize("python", ["3.10", "3.11", "3.12", "3.13", "3.14"])
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
    lock = bake() / "requirements.lock"
    run([python, "-m", "pip", "install", "--quiet", "--no-compile", "--require-hashes", "-r", lock], cwd=tmp_path)
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
