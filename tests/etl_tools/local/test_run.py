"""make run in a baked project: what it runs, what it prints, and what it says when it cannot."""

import re
import sqlite3
import subprocess

import pytest

from tests.conftest import clean_environment, run
from tests.etl_tools.terminal import Session

pytestmark = pytest.mark.airflow

DAY = "2018-02-01"
SAMPLE_DAYS = ["2018-02-01", "2018-02-02", "2018-02-03"]
DAGS = '''"""DAGs of Airflow without days."""
import logging
import pprint
import time

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


@dag(schedule=None, start_date=start)
def prints():
    @task
    def words():
        print("one\\ntwo")
        pprint.pprint({"three": 3})
        logging.getLogger("etl").warning("four")
        print("no end", end="")

    @task
    def sleeps():
        print("at work", flush=True)
        time.sleep(60)

    words() >> sleeps()


plain(), stops(), skips(), empty(), connects(), prints()
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
    code = "from airflow.api_fastapi.execution_api.versions import bundle; from etl_tools.local import run; "
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
    assert f"{dag} ran nothing" in make_run(plain, f"DAG={dag}", expect=2)


def test_connections_and_variables_of_the_checkout(plain):
    file = plain / "secrets" / "connections.env"
    file.write_text('AIRFLOW_CONN_SHOP={"conn_type": "http", "host": "shop.example.com"}\nAIRFLOW_VAR_REGION=eu\n')
    assert "shop.example.com in eu " in make_run(plain, "DAG=connects", AIRFLOW_VAR_REGION="us")
    file.write_text("AIRFLOW_CONN_SHOP\n")
    assert "secrets/connections.env:1" in make_run(plain, "DAG=connects", expect=2)
    file.unlink()


@pytest.mark.parametrize("debug", ["", " DEBUG=1"])
def test_breakpoint_has_the_terminal(plain, debug):
    """The prompt is there, takes a line, and the run goes on; with DEBUG=1, the log is there too."""
    made = Session(f"make run DAG=stops{debug}", plain, terminal=True).until("(Pdb)")
    made.types("p secret * 1000\nc\n")
    assert made.ended() == 0, made.said
    assert re.search(r"(\n|\(Pdb\) )41000", made.said)
    assert re.search(r" +42 ", made.said)
    assert ("Task started" in made.said) == bool(debug)


def test_leaving_the_debugger_is_said(plain):
    made = Session("make run DAG=stops", plain, terminal=True).until("(Pdb)")
    made.types("q\n")
    assert made.ended() != 0
    assert "stops failed: it was ended in the debugger" in made.said
    assert "BdbQuit" not in made.said


def test_breakpoint_without_a_terminal(plain):
    printed = make_run(plain, "DAG=stops", expect=2)
    assert re.search(r"stops failed: dags/plain_dags.py:\d+: RuntimeError: breakpoint\(\) needs a terminal", printed)
    assert re.search(r" +42 ", make_run(plain, "DAG=stops", PYTHONBREAKPOINT="0"))


def test_what_tasks_print_and_which_one_is_at_work_is_shown_at_once(plain):
    """Loggers write into the log. Without a terminal, no line is written over another."""
    made = Session("make run DAG=prints", plain, terminal=True).until("at work")
    made.until("##########---------- 1/2  prints  sleeps ... ")
    made.types("\x03")
    assert made.ended() != 0
    assert "make run: stopped" in made.said
    lines = re.sub(r"\r\x1b\[K([^\r\n]*(?=\r\x1b))?", "", made.said).replace("\r", "")
    assert "  one\n  two\n  {'three': 3}\n  no end\n  at work\n" in lines
    assert "four" not in made.said
    assert re.search("four.*\n", (plain / ".airflow" / "run.log").read_text())
    pipe = Session("make run DAG=prints", plain).until("  no end\n").until("  at work\n")
    pipe.signal(2)
    pipe.ended()
    assert "\x1b" not in pipe.said


def test_a_line_now_and_then_where_there_is_no_terminal(plain):
    code = "import io, time; from etl_tools.local import progress; progress.EVERY = 0.3; say = io.StringIO(); "
    code += (
        "p = progress.Progress(say)\nwith p.of([]), p.run('extract 2018-02-01', 2):\n p.at = 'fetch'; time.sleep(1)\n"
    )
    code += "print(say.getvalue())"
    lines = run([".venv/bin/python", "-c", code], cwd=plain).splitlines()
    assert re.fullmatch(r"extract 2018-02-01  fetch \.\.\. \d s", lines[0])
    assert len(lines) > 1


@pytest.mark.parametrize("date", ["2018-02-30", "yesterday", "20180201", "2018-02-01; touch made"])
def test_a_made_up_day_is_refused_at_once(project, date):
    assert f"make run: {date!r} is not a day: write it like 2018-02-01." in make_run(project, f"DATE={date}", expect=2)
    assert not (project / "made").exists()


def test_a_day_that_cannot_run_gets_a_plain_line(project):
    printed = make_run(project, "DATE=1999-01-01", expect=2)
    assert "make run: extract 1999-01-01 failed: The bundled sample has no 1999-01-01" in printed
    assert "make run: transform 1999-01-01 did not run: extract failed before it." in printed
    assert "Traceback" not in printed
    assert "The log: .airflow/run.log" in printed


def test_one_that_fails_stops_no_other(project):
    """And all that failed are listed at the end, by the days that were asked for."""
    printed = make_run(project, "FROM=2018-01-31", "TO=2018-02-02", expect=2)
    said = [line for line in printed.splitlines() if line.startswith("make run: ")]
    assert [line.split(":")[1].strip() for line in said] == [
        "extract 2018-01-31 failed",
        "transform 2018-01-31 did not run",
    ]
    rows = [line.split()[0] for line in printed.splitlines() if line.startswith("2018-")]
    assert rows == ["2018-02-01", "2018-02-02"] * 2
    assert "4 runs in " in printed
    assert "failed: 2018" not in printed


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["FROM=2018-02-01"], "say either DATE=… or both FROM=… and TO=…"),
        (["TO=2018-02-01"], "say either DATE=… or both FROM=… and TO=…"),
        (["FROM=2018-02-01", "TO=2018-02-02", "DATE=2018-02-01"], "say either DATE=…"),
        (["FROM=2018-02-02", "TO=2018-02-01"], "FROM=2018-02-02 is after TO=2018-02-01."),
        (["FROM=2018-02-02", "TO=soon"], "'soon' is not a day: write it like 2018-02-01."),
    ],
)
def test_days_that_are_none(project, arguments, words):
    assert f"make run: {words}" in make_run(project, *arguments, expect=2)


def test_equal_failures_are_one_line(project):
    """As of all hours of a day; a few have a line each."""
    service = "ETL_SOURCE=http://127.0.0.1:9/query"
    printed = make_run(project, "DAG=extract", "FROM=2018-03-01", "TO=2018-03-05", service, expect=2)
    (line,) = [line for line in printed.splitlines() if line.startswith("make run: ")]
    assert line.startswith("make run: 5 times, from 2018-03-01 to 2018-03-05: extract 2018-03-01 failed: ")
    printed = make_run(project, "DAG=extract", "FROM=2018-03-01", "TO=2018-03-02", service, expect=2)
    assert len([line for line in printed.splitlines() if line.startswith("make run: ")]) == 2


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
    # A slow run says which task is at work, too: with one space behind the DAG.
    assert re.findall(r"^(2018\S+|extract|transform)  ", made, re.MULTILINE) == ["transform", *SAMPLE_DAYS]
    assert {path: path.stat().st_mtime_ns for path in project.glob(".airflow/data/raw/*/*/*")} == raw
    assert "FROM=2018-02-01 is after TO=2018-01-31" in run([*rebuild, "TO=2018-01-31"], project, expect=2)
    again = run([*rebuild, "TO=2018-02-01", "DAG=extract"], project, expect=2)
    assert "extract fetches, and what is kept would be replaced" in again
    assert {path: path.stat().st_mtime_ns for path in project.glob(".airflow/data/raw/*/*/*")} == raw


def test_two_at_once_make_one_database_and_ctrl_c_ends_in_a_line(project, tmp_path):
    (project / ".env").write_text(f"AIRFLOW_HOME={tmp_path}/new\n")
    both = [
        subprocess.Popen(
            ["make", "run", "DAG=extract", f"DATE={DAY}"],
            cwd=project,
            env=clean_environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        for _ in range(2)
    ]
    made = [one.communicate(timeout=300)[0] for one in both]
    (project / ".env").unlink()
    assert [one.returncode for one in both] == [0, 0], made
    assert sum("Making Airflow's database" in said for said in made) == 1
    made = Session("make run", project, terminal=True).until(" ... ")
    made.types("\x03")
    assert made.ended() != 0
    assert "make run: stopped" in made.said
    assert "Traceback" not in made.said


def test_no_such_dag(project):
    assert "there is no DAG nope, only extract, transform." in make_run(project, "DAG=nope", expect=2)


def test_a_service_has_no_days_to_offer(project):
    printed = make_run(project, "ETL_SOURCE=http://127.0.0.1:9/query", expect=2)
    assert "extract offers no day: say which one, like make run DAG=extract DATE=2018-02-01" in printed
    assert "transform" not in printed, "it takes the days of extract"


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
            assert ("6 runs in " in printed) == (not arguments), "the others run"
    finally:
        broken.unlink()
