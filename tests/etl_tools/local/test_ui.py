"""make ui, around a stand-in of Airflow that no signal but SIGKILL ends: however it ends, nothing is left behind."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import run
from tests.etl_tools.terminal import Session

pytestmark = pytest.mark.airflow

# As `airflow standalone`: children, one of them in a session of its own as a BashOperator's, pages, a password.
AIRFLOW = """#!/usr/bin/env -S {python} -u
import http.server, json, os, signal, subprocess
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
quiet = dict(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
children = [subprocess.Popen(["sleep", "900"], start_new_session=apart, **quiet) for apart in (False, True)]
home = os.environ["AIRFLOW_HOME"]
with open(home + "/simple_auth_manager_passwords.json.generated", "w") as file:
    json.dump({{"admin": "a-password"}}, file)
with open(home + "/pids", "w") as file:
    json.dump([os.getpid(), *(child.pid for child in children)], file)

class Health(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        parts = ("metadatabase", "scheduler", "dag_processor")
        self.wfile.write(json.dumps({{part: {{"status": "healthy"}} for part in parts}}).encode())

http.server.HTTPServer(("127.0.0.1", int(os.environ["AIRFLOW__API__PORT"])), Health).serve_forever()
"""
READY = "Ctrl-C stops everything"


@pytest.fixture
def project(bake_fresh, installed):
    """A project whose `airflow` is the stand-in; whatever a test leaves running is ended."""
    folder, real = bake_fresh(), installed() / ".venv"
    (folder / ".venv" / "bin").mkdir(parents=True)
    for name in ("lib", "pyvenv.cfg", "bin/python"):
        (folder / ".venv" / name).symlink_to(real / name)
    (folder / ".venv" / "bin" / "airflow").write_text(AIRFLOW.format(python=sys.executable))
    (folder / ".venv" / "bin" / "airflow").chmod(0o755)
    start = f'#!/bin/sh\nexec "{folder}/.venv/bin/python" -m etl_tools.cli "$@"\n'
    (folder / ".venv" / "bin" / "airflow-etl").write_text(start)
    (folder / ".venv" / "bin" / "airflow-etl").chmod(0o755)
    (folder / ".venv" / ".installed").touch()
    yield folder
    for pid in (*pids(folder), state(folder).get("pid", 0)):
        if pid and running(pid):
            os.kill(pid, signal.SIGKILL)


def make_ui(project, command="make ui", **options):
    return Session(command, project, OPEN="0", **options)


def state(project):
    file = project / ".airflow" / "ui.json"
    return json.loads(file.read_text()) if file.exists() else {}


def pids(project):
    file = project / ".airflow" / "pids"
    return json.loads(file.read_text()) if file.exists() else []


def running(pid):
    """Whether it runs; one that has ended and that nobody asks for its status does not."""
    status = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True).stdout.strip()
    return bool(status) and not status.startswith("Z")


def left(project):
    """What still runs of the Airflow that was started last, in the end."""
    assert len(pids(project)) == 3
    end = time.monotonic() + 60
    while (still := [pid for pid in pids(project) if running(pid)]) and time.monotonic() < end:
        time.sleep(0.1)
    return still


def kill(pid):
    os.kill(pid, signal.SIGKILL)
    while running(pid):
        time.sleep(0.05)


@pytest.mark.parametrize("words", ["Starting Airflow", READY])
def test_ctrl_c_ends_all_of_it(project, words):
    ui = make_ui(project).until(words)
    ui.signal(signal.SIGINT)
    time.sleep(0.5)
    ui.signal(signal.SIGINT)  # impatience leaves nothing behind
    ui.signal(signal.SIGTERM)
    ui.ended()
    assert "Traceback" not in ui.said
    assert not [pid for pid in pids(project) if running(pid)]
    assert state(project) == {}


def test_a_closed_terminal_leaves_nothing_behind(project):
    ui = make_ui(project, terminal=True).until(READY)
    ui.closed = True
    ui.ended()
    assert left(project) == []


@pytest.mark.parametrize("pipe", ["head -n 3", "tee all.log"])
def test_a_pipe_that_nobody_reads_leaves_nothing_behind(project, pipe):
    """Ended by itself, or by Ctrl-C as all that is in the foreground."""
    ui = make_ui(project, f"make ui 2>&1 | {pipe}")
    if pipe.startswith("tee"):
        ui.until(READY).signal(signal.SIGINT)
    else:
        ui.until("It took")
    ui.ended()
    assert left(project) == []
    assert "Exception ignored" not in ui.said
    assert "Traceback" not in ui.said


def test_nohup_is_meant(project):
    ui = make_ui(project, hang_up=signal.SIG_IGN).until(READY)
    ui.signal(signal.SIGHUP)
    assert "runs already" in run(["make", "ui"], cwd=project)
    assert all(map(running, pids(project)))
    os.kill(state(project)["pid"], signal.SIGTERM)  # as the second one says
    ui.ended()
    assert left(project) == []


def test_a_second_one_says_where_the_pages_are_and_how_to_stop_them(project):
    make_ui(project).until(READY)
    printed = run(["make", "ui"], cwd=project)
    running_now = state(project)
    assert running_now["address"] in printed
    assert f"kill {running_now['pid']}" in printed
    assert str(project / ".airflow" / "simple_auth_manager_passwords.json.generated") in printed
    assert "a-password" not in printed
    run(["bash", "-c", f"kill {running_now['pid']}"], cwd=project)
    assert left(project) == []


@pytest.mark.parametrize("leader", [False, True], ids=["script", "script-and-leader"])
def test_what_a_killed_one_has_left_behind_is_ended(project, leader):
    make_ui(project).until(READY)
    before = pids(project)
    kill(state(project)["pid"])
    if leader:
        kill(before[0])
    apart = before[2] if leader else 0  # without a parent, nothing says whose it is
    again = make_ui(project).until(READY)
    assert "Ending the Airflow that a killed make ui has left behind" in again.said
    assert [pid for pid in before if running(pid)] == [apart] * leader
    again.signal(signal.SIGINT)
    again.ended()
    assert left(project) == []
    if leader:
        kill(apart)


@pytest.mark.parametrize("started", [1.0, None, "1"])
def test_a_number_that_is_another_process_by_now_is_left_alone(project, started):
    """As after the machine has been started again; or a file that somebody has written by hand."""
    stranger = subprocess.Popen(["sleep", "900"], cwd=project, start_new_session=True)
    recorded = {"pid": stranger.pid, "started": started, "airflow": stranger.pid, "airflow_started": started}
    (project / ".airflow").mkdir()
    (project / ".airflow" / "ui.json").write_text(json.dumps(recorded))
    try:
        ui = make_ui(project).until(READY)
        ui.signal(signal.SIGINT)
        ui.ended()
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_an_airflow_that_nobody_knows_is_said(project):
    make_ui(project).until(READY)
    kill(state(project)["pid"])
    (project / ".airflow" / "ui.json").unlink()
    assert "another Airflow of this folder runs; end it: `lsof " in run(["make", "ui"], cwd=project, expect=2)
    for pid in pids(project):
        kill(pid)


def test_a_chosen_port_that_is_used_is_refused(project):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        (project / ".env").write_text(f"AIRFLOW__API__PORT={port}\n")
        assert f"port {port} is in use. Without AIRFLOW__API__PORT in .env" in run(
            ["make", "ui"], cwd=project, expect=2
        )


def test_nobody_else_reads_the_password(project):
    """Nor anything beside it, where an older version left it open."""
    home = project / ".airflow"
    home.mkdir(mode=0o755)
    (home / "airflow.db").write_text("")
    (home / "airflow.db").chmod(0o644)
    ui = make_ui(project, "umask 022; make ui").until(READY)
    ui.signal(signal.SIGINT)
    ui.ended()
    assert {path.name: oct(path.stat().st_mode & 0o077) for path in (home, *Path(home).rglob("*"))} == {
        path.name: "0o0" for path in (home, *Path(home).rglob("*"))
    }
    shutil.rmtree(home)
