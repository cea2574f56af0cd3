"""Every state that doctor and the wait of a deploy know is one that a real cluster was in, or is listed as made up."""

import json
import shutil
import subprocess
import sys

import pytest

from tests.conftest import TEMPLATE, clean_environment
from tests.etl_tools.cluster import decisions, states
from tests.etl_tools.cluster.made_up_states import MADE_UP

ANSWERS = {
    "project_slug": "quakes",
    "namespace": "etl",
    "git_repo": "git@github.com:acme/quakes.git",
    "git_branch": "main",
    "git_access": "ssh-deploy-key",
    "dags_subpath": "dags",
    "dag_delivery": "git-sync",
    "deploy_key_type": "ed25519",
    "executor": "CeleryExecutor",
    "expose": "port-forward",
}
# What a project is asked for, not its cluster.
ANSWERED_ONCE = {"BY_GIT_SYNC"}
# In these nothing has to be done, now or later.
WELL = {"healthy", "job-done", "job-done-and-its-pod-not", "replaced", "terminating", "of-somebody-else", "a-task-pod"}
WELL |= {"helm-went-well"}


def look(folder, source=TEMPLATE / "src"):
    """Let the code in `source` look at every state, in a folder with a project's answers."""
    lines = "".join(f'{name} = "{value}"\n' for name, value in ANSWERS.items())
    (folder / "pyproject.toml").write_text(f"[tool.airflow-etl]\n{lines}")
    environment = clean_environment() | {"PYTHONPATH": f"{source}:{TEMPLATE}"}
    command = [sys.executable, "-m", decisions.__name__]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def unreached(seen):
    """Return the conditions that no state makes true, or none false."""
    return [
        f"{condition} is never {way}"
        for condition, ways in seen.items()
        for way in ("true", "false")
        if way not in ways and condition.rpartition(": ")[2] not in ANSWERED_ONCE
    ]


@pytest.fixture(scope="module")
def looked(tmp_path_factory):
    return look(tmp_path_factory.mktemp("project"))


def test_every_state_that_doctor_knows_is_recorded_or_listed_as_made_up(looked):
    assert looked["seen"]
    missing = "\n".join(unreached(looked["seen"]))
    assert not missing, f"record a state in states.json, or make one up in made_up_states.py and say why:\n{missing}"


def test_what_is_made_up_says_why_and_no_recording_can_take_its_place(looked):
    without = [names for ways in looked["seen"].values() for names in ways.values() if not {*names} & {*states.STATES}]
    for name, (why, _) in MADE_UP.items():
        assert len(why) > 20, name
        needed = any(name in names for names in without)
        assert needed, f"{name}: what it shows is recorded, too: take it out of made_up_states.py"


@pytest.mark.parametrize("name", states.ALL)
def test_each_state_is_named_where_something_is_to_be_done(looked, name):
    """By doctor and by the wait, which both see the pods; a missing Secret is doctor's in another place."""
    waited = [what for ok, what, _ in looked["said"][name] if what.startswith(("helm: ", "not ready in "))]
    doctor = [what for ok, what, _ in looked["said"][name] if not ok and what not in waited]
    doctor = [what for what in doctor if not what.startswith(("what git-sync says", "nothing of release"))]
    named = [line for what in waited for line in what.splitlines() if line.startswith("  ") and "More: " not in line]
    if name in WELL:
        assert (doctor, named) == ([], [])
    elif name == "deployment-deleted":  # Helm has not ended that badly
        assert doctor
    else:
        assert named, looked["said"][name]
        assert doctor or all("waits for Secret" in line for line in named), looked["said"][name]


def test_a_state_that_is_new_to_doctor_has_to_be_recorded(tmp_path):
    """The test above would notice: here doctor knows one more."""
    shutil.copytree(TEMPLATE / "src/etl_tools", tmp_path / "src/etl_tools")
    shutil.copytree(TEMPLATE / "src/dag_integrity", tmp_path / "src/dag_integrity")
    code = tmp_path / "src/etl_tools/cluster/pods.py"
    before = '    running = [container["name"] for container in first'
    text = code.read_text()
    assert text.count(before) == 1
    more = '    if condition(item, "DisruptionTarget"):\n        return "is about to be evicted", "", none\n'
    code.write_text(text.replace(before, more + before))
    found = look(tmp_path, tmp_path / "src")
    assert unreached(found["seen"]) == ["pods.waiting_for: condition(item, 'DisruptionTarget') is never true"]
