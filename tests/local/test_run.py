"""make run in a baked project: what it runs, what it prints, and what it says when it cannot."""

import contextlib
import os
import pty
import re
import select
import sqlite3
import subprocess
import time

import pytest

from tests.conftest import clean_environment, run

pytestmark = pytest.mark.airflow

DAY = "2018-02-01"
SAMPLE_DAYS = ["2018-02-01", "2018-02-02", "2018-02-03"]
DAGS = '''"""DAGs of Airflow without days."""
import pendulum
from airflow.sdk import BaseHook, Variable, dag, task

start = pendulum.datetime(2018, 1, 1, tz="UTC")


@dag(schedule="0 6 * * *", start_date=start)
def plain():
    @task
    def when(ds=None):
        return f"it is {ds}"

    when()


@dag(schedule=None, start_date=start)
def stops():
    @task
    def number():
        secret = 41
        breakpoint()
        return secret + 1

    number()


@dag(schedule=None, start_date=start)
def skips():
    @task.run_if(lambda context: False)
    @task
    def never():
        return 1

    never()


@dag(schedule=None, start_date=start)
def empty():
    pass


@dag(schedule=None, start_date=start)
def connects():
    @task
    def host():
        return f"{BaseHook.get_connection('shop').host} in {Variable.get('region')}"

    host()


plain(), stops(), skips(), empty(), connects()
'''


def make_run(project, *arguments, expect=0, **environment):
    return run(["make", "--silent", "run", *arguments], cwd=project, expect=expect, **environment)


@pytest.fixture
def plain(project):
    """The project, with DAGs that have no days."""
    (project / "dags" / "plain_dags.py").write_text(DAGS)
    yield project
    (project / "dags" / "plain_dags.py").unlink()


def test_a_day_is_run_and_the_last_line_opens_its_data(project):
    """And once more: the earlier runs stay."""

    def runs():
        with sqlite3.connect(project / ".airflow" / "airflow.db") as database:
            states = database.execute("select dag_id, state from task_instance").fetchall()
            return database.execute("select run_id from dag_run").fetchall(), states

    printed = make_run(project, f"DATE={DAY}")
    chart, line = printed.splitlines()[-2:]
    code = f"import pandas as pd; print(len({line.removeprefix('Open it: ')}))"
    clean = re.search(rf"^{DAY} +(\d+) +(\d+)", printed.partition("transform")[2], re.MULTILINE)[2]
    assert run([".venv/bin/python", "-c", code], cwd=project).strip() == clean == "224"
    assert (project / chart.removeprefix("Chart: ")).read_bytes().startswith(b"\x89PNG")
    assert "\033" not in printed, "progress is for terminals only"
    assert "2018-02-02" not in printed
    before, _ = runs()
    make_run(project, f"DATE={DAY}")
    after, states = runs()
    assert set(before) < set(after)
    assert {state for _, state in states} == {"success"}


def test_the_api_that_tasks_talk_to_is_the_known_one(project):
    """With another, `make run` builds every version of it, and takes half as long again."""
    code = "from airflow.api_fastapi.execution_api.versions import bundle; from tools.local import run; "
    code += "print(bundle.versions[0].value == run.TASK_API)"
    assert run([".venv/bin/python", "-c", code], cwd=project).split()[-1] == "True"


def test_a_dag_runs_after_those_that_it_waits_for(project):
    """Once: the second time the day is there."""
    first = make_run(project, "DAG=transform", "DATE=2018-02-03")
    assert [line.split()[0] for line in first.splitlines() if line.startswith(("extract", "transform"))] == [
        "extract",
        "transform",
    ]
    second = make_run(project, "DAG=transform", "DATE=2018-02-03")
    assert "extract" not in second
    assert "1 run " in second


def test_a_dag_without_days(plain):
    assert re.search(r"it is 20\d\d-\d\d-\d\d ", make_run(plain, "DAG=plain"))
    printed = make_run(plain, "DAG=plain", f"DATE={DAY}")
    assert f"it is {DAY} " in printed
    assert printed.splitlines()[-1].startswith("1 run in ")


@pytest.mark.parametrize("dag", ["skips", "empty"])
def test_a_dag_that_runs_nothing_is_an_error(plain, dag):
    assert f"{dag}  ran nothing" in make_run(plain, f"DAG={dag}", expect=2)


def test_connections_and_variables_of_the_checkout(plain):
    file = plain / "secrets" / "connections.env"
    file.write_text('AIRFLOW_CONN_SHOP={"conn_type": "http", "host": "shop.example.com"}\nAIRFLOW_VAR_REGION=eu\n')
    assert "shop.example.com in eu " in make_run(plain, "DAG=connects")
    file.write_text("AIRFLOW_CONN_SHOP\n")
    assert "secrets/connections.env:1" in make_run(plain, "DAG=connects", expect=2)
    file.unlink()


def test_debug_leaves_the_terminal_to_breakpoint(plain):
    """With a terminal: the prompt is there, takes a line, and the run goes on."""
    process, terminal = pty.fork()
    if process == 0:
        os.chdir(plain)
        os.execvpe("make", ["make", "run", "DAG=stops", "DEBUG=1"], clean_environment())
    said, asked, end = b"", False, time.monotonic() + 300
    while time.monotonic() < end:
        if not select.select([terminal], [], [], 1)[0]:
            continue
        try:
            block = os.read(terminal, 4096)
        except OSError:  # the other end is closed
            break
        said += block
        if b"(Pdb)" in said and not asked:
            asked = True
            os.write(terminal, b"p secret * 1000\nc\n")
    status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    assert (status, asked) == (0, True), said.decode(errors="replace")
    assert b"\n41000" in said
    assert re.search(rb"\r +42 ", said.replace(b"\033[K", b""))


@pytest.mark.parametrize("date", ["2018-02-30", "yesterday", "20180201", "2018-02-01; touch made"])
def test_a_made_up_day_is_refused_at_once(project, date):
    assert f"make run: {date!r} is not a day: write it like 2018-02-01." in make_run(project, f"DATE={date}", expect=2)
    assert not (project / "made").exists()


def test_a_day_that_cannot_run_gets_a_plain_line(project):
    printed = make_run(project, "DATE=1999-01-01", expect=2)
    assert "extract 1999-01-01 failed: The bundled sample has no 1999-01-01" in printed
    assert "Traceback" not in printed
    assert "The log: .airflow/run.log" in printed


def test_a_bug_is_said_with_its_kind_and_place(project):
    file = project / "dags" / "my_etl" / "earthquakes" / "dataset.py"
    good = file.read_text()
    bad = good.replace('events["mag"]', 'events["typo"]')
    line = next(n for n, text in enumerate(bad.splitlines(), 1) if "typo" in text)
    file.write_text(bad)
    try:
        printed = make_run(project, f"DATE={DAY}", expect=2)
        assert f"failed: dags/my_etl/earthquakes/dataset.py:{line}: KeyError: 'typo'" in printed
    finally:
        file.write_text(good)


def test_days_are_made_again_of_what_was_fetched(project):
    """The source is not asked, and no DAG before it runs."""
    make_run(project)
    raw = {path: path.stat().st_mtime_ns for path in project.glob(".airflow/data/raw/*/*/*")}
    rebuild = ["make", "--silent", "rebuild", "FROM=2018-02-01"]
    made = run([*rebuild, "TO=2018-02-03"], project)
    assert re.findall(r"^(2018\S+|extract|transform)\b", made, re.MULTILINE) == ["transform", *SAMPLE_DAYS]
    assert {path: path.stat().st_mtime_ns for path in project.glob(".airflow/data/raw/*/*/*")} == raw
    assert "2018-01-31 is before 2018-02-01" in run([*rebuild, "TO=2018-01-31"], project, expect=2)
    assert "'' is not a day" in run(rebuild, project, expect=2)


def test_two_at_once_make_one_database_and_ctrl_c_ends_in_a_line(project, tmp_path):
    both = [
        subprocess.Popen(
            ["make", "run", "DAG=extract", f"DATE={DAY}"],
            cwd=project,
            env=clean_environment() | {"AIRFLOW_HOME": str(tmp_path / "new")},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        for _ in range(2)
    ]
    made = [one.communicate(timeout=300)[0] for one in both]
    assert [one.returncode for one in both] == [0, 0], made
    assert sum("Making Airflow's database" in said for said in made) == 1
    process, terminal = pty.fork()
    if process == 0:
        os.chdir(project)
        os.execvpe("make", ["make", "run"], clean_environment())
    said = b""
    with contextlib.suppress(OSError):  # the other end is closed
        while block := os.read(terminal, 4096):
            said += block
            if b"..." in block:
                os.write(terminal, b"\x03")
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) != 0
    assert b"make run: stopped" in said
    assert b"Traceback" not in said


def test_no_such_dag(project):
    assert "there is no DAG nope, only extract, transform." in make_run(project, "DAG=nope", expect=2)


def test_a_service_has_no_days_to_offer(project):
    printed = make_run(project, "ETL_SOURCE=http://127.0.0.1:9/query", expect=2)
    assert "extract offers no day: say which one, like make run DAG=extract DATE=2018-02-01" in printed


def test_a_broken_file_stops_what_is_in_it(project):
    broken = project / "dags" / "broken.py"
    broken.write_text('"""A DAG of Airflow."""\nimport no_such_module\n')
    try:
        assert "1 run " in make_run(project, "DAG=extract", f"DATE={DAY}")
        for arguments in ([], ["DAG=broken"]):
            printed = make_run(project, *arguments, expect=2)
            assert (
                "broken.py does not import: dags/broken.py:2: ModuleNotFoundError: No module named 'no_such_module'"
                in printed
            )
    finally:
        broken.unlink()
