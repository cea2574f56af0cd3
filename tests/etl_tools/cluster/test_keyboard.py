"""Ctrl-C and Ctrl-D at every prompt, and Ctrl-C at work: one line, a status, and nothing half done."""

import os
import re
import sys

import pytest

from tests.conftest import TEMPLATE
from tests.etl_tools.cluster import helm_chart
from tests.etl_tools.cluster.cluster import ANSWERS, Cluster
from tests.etl_tools.cluster.test_database import database, databases, server  # noqa: F401 (fixtures)
from tests.etl_tools.terminal import Session

CTRL_C, CTRL_D = "\x03", "\x04"
HTTPS = {"git_access": "https-token", "git_repo": "https://github.com/acme/quakes.git"}
# The prompt: the command, what it asks, answers of the project.
PROMPTS = {
    "token": ("secrets", (), "(not shown)", HTTPS),
    "new token": ("rotate", ("git_token",), "(not shown)", HTTPS),
    "restore": ("restore", (), "(yes)", {}),
    "rollback": ("rollback", (), "(yes)", {}),
    "undeploy": ("undeploy", (), "(airflow)", {}),
}


@pytest.fixture
def start(bake_fresh, tmp_path):
    """Return a function: answers → a project and its cluster."""
    return lambda **answers: Cluster(bake_fresh(**ANSWERS | answers), tmp_path, helm_chart.tools() / "helm")


def said(printed, target):
    """Return the one line that is for a person."""
    assert "Traceback" not in printed
    (line,) = [line for line in printed.splitlines() if line.startswith("make ")]
    assert line.startswith(f"make {target}: ")
    return line


@pytest.mark.parametrize("key", [CTRL_C, CTRL_D], ids=["Ctrl-C", "Ctrl-D"])
@pytest.mark.parametrize("prompt", PROMPTS)
def test_at_a_prompt_nothing_is_done(start, prompt, key):
    target, words, question, answers = PROMPTS[prompt]
    cluster = start(**answers)
    dump = cluster.project / "some.dump"
    dump.write_bytes(b"PGDMP alembic_version")
    where = cluster.environment | {"FILE": str(dump), "CHART_VERSION": "1", "VALUES": "helm/values.yaml"}
    terminal = Session([sys.executable, "-m", "etl_tools.cli", target, *words], cluster.project, terminal=True, **where)
    terminal.until(question)
    status, printed = terminal.press(key)
    assert "nothing was done" in said(printed, target)
    assert status == (130 if key == CTRL_C else 1)
    assert cluster.writes() == []


@pytest.mark.parametrize("key", [CTRL_C, CTRL_D], ids=["Ctrl-C", "Ctrl-D"])
def test_known_hosts_are_not_written_without_a_yes(start, key, tmp_path):
    cluster = start()
    keyscan = tmp_path / "bin" / "ssh-keyscan"
    keyscan.parent.mkdir()
    blob = (cluster.project / "helm/known_hosts").read_text().split("github.com ")[1].splitlines()[0]
    keyscan.write_text(f"#!/bin/sh\necho 'github.com {blob}'\n")
    keyscan.chmod(0o755)
    before = [(cluster.project / "helm" / name).read_bytes() for name in ("known_hosts", "values.yaml")]
    path = {"PATH": f"{keyscan.parent}:{os.environ['PATH']}"}
    terminal = Session([sys.executable, "-m", "etl_tools.cli", "known-hosts"], cluster.project, terminal=True, **path)
    terminal.until("[y/N]")
    status, printed = terminal.press(key)
    assert "Nothing was written." in printed.splitlines()[-1]
    assert "Traceback" not in printed
    assert status == (130 if key == CTRL_C else 1)
    assert [(cluster.project / "helm" / name).read_bytes() for name in ("known_hosts", "values.yaml")] == before


def waiting(cluster, tmp_path, program):
    """Let a program of the pod wait when it is called; return the file that it makes then."""
    folder = tmp_path / "waiting"
    folder.mkdir()
    script = folder / program
    script.write_text(f"#!/bin/sh\n> {folder}/called\nsleep 60\n")
    script.chmod(0o755)
    cluster.environment["PATH"] = f"{folder}:{cluster.environment['PATH']}"
    return folder / "called"


def interrupted(cluster, tmp_path, program, action, **environment):
    """Start a command, press Ctrl-C while that program of the pod is at work, and return the line it ends with."""
    called = waiting(cluster, tmp_path, program)
    where = cluster.environment | {"CHART_VERSION": "1", "VALUES": "helm/values.yaml"} | environment
    terminal = Session([sys.executable, "-m", "etl_tools.cli", action], cluster.project, terminal=True, **where)
    terminal.until(called.exists)
    status, printed = terminal.press(CTRL_C)
    assert status == 130, printed
    return said(printed, action)


@pytest.mark.servers
def test_a_backup_that_is_stopped_leaves_the_one_before(cluster, database, tmp_path):  # noqa: F811
    file = cluster.project / "secrets/backups/first.dump"
    cluster.make("backup", FILE=str(file))
    before = file.read_bytes()
    interrupted(cluster, tmp_path, "pg_dump", "backup", FILE=str(file))
    assert file.read_bytes() == before
    assert [path.name for path in file.parent.iterdir()] == ["first.dump"]


@pytest.mark.servers
@pytest.mark.parametrize("program", ["createdb", "pg_restore"])
def test_a_restore_that_is_stopped_changes_nothing(cluster, database, tmp_path, program):  # noqa: F811
    file = cluster.project / "secrets/backups/first.dump"
    cluster.make("backup", FILE=str(file))
    database("INSERT INTO dag VALUES ('later')")
    line = interrupted(cluster, tmp_path, program, "restore", FILE=str(file), CONFIRM="yes")
    assert "nothing was changed" in line
    assert databases(database) == ["postgres"]
    assert database("SELECT count(*) FROM dag") == ["3"]


@pytest.mark.servers
def test_stopped_after_the_swap_it_says_that_the_database_is_the_new_one(cluster, database):  # noqa: F811
    file = cluster.project / "secrets/backups/first.dump"
    cluster.make("backup", FILE=str(file))
    database("INSERT INTO dag VALUES ('later')")
    cluster["rollout-waits"] = "yes"
    where = cluster.environment | {"VALUES": "helm/values.yaml", "FILE": str(file), "CONFIRM": "yes"}
    terminal = Session([sys.executable, "-m", "etl_tools.cli", "restore"], cluster.project, terminal=True, **where)
    terminal.until((cluster.state / "waiting").exists)
    status, printed = terminal.press(CTRL_C)
    assert status == 130
    line = said(printed, "restore")
    assert "the database was replaced" in line
    assert "rollout restart deployment,statefulset --selector=release=airflow" in line
    assert database("SELECT count(*) FROM dag") == ["2"]


def test_every_prompt_is_one_of_these():
    """What asks goes through asked(), which knows Ctrl-C, and so do these tests."""
    found = [
        f"{path.name}: {line.strip()}"
        for path in sorted((TEMPLATE / "src" / "etl_tools").rglob("*.py"))
        for line in path.read_text().splitlines()
        if re.search(r"\binput\(|getpass\(|stdin\.readline", line) and "sys.exit(f" not in line
    ]
    asking = [line for line in found if "asked(lambda: " not in line and "key = Fernet(" not in line]
    assert asking == ["known_hosts.py: answer = sys.stdin.readline().strip().lower()"]
    assert len(found) - len(asking) == 4


@pytest.fixture
def cluster(start):
    return start()
