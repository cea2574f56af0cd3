"""cluster.yml, whose clusters are nowhere here: what it asks for, and a dry run of each of its scripts."""

import json
import os
import re
import sys
from itertools import product

import pytest
import yaml

from tests.conftest import QUESTIONS, TEMPLATE, run

TEXT = (TEMPLATE / ".github/workflows/cluster.yml").read_text()
WORKFLOW = yaml.safe_load(TEXT)
JOB = WORKFLOW["jobs"]["cluster"]
STEPS = {step["name"]: step for step in JOB["steps"] if "run" in step}
# Writes down how it is called; curl leaves a program where it is to save one.
STAND_IN = f"""#!{sys.executable}
import json, os, sys
from pathlib import Path
name, words = Path(sys.argv[0]).name, sys.argv[1:]
given = sys.stdin.read() if "--config=-" in words else ""
with open(os.environ["CALLS"], "a") as calls:
    calls.write(json.dumps([name, *words, given]) + "\\n")
if name == "curl":
    file = Path(words[words.index("--output") + 1])
    file.write_text(Path(__file__).read_text())
    file.chmod(0o755)
if name == "kubectl":
    print(os.environ.get("PRINTS", ""))
sys.exit(int(os.environ.get("ENDS_WITH", "0")))
"""


@pytest.fixture
def script(tmp_path):
    """Return a function: a step's name, matrix → the calls that its script made, with stand-ins for the programs."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("kubectl", "curl", "kind"):
        (programs / name).write_text(STAND_IN)
        (programs / name).chmod(0o755)

    def act(name, more="", hashes=True, expect=0, **variables):
        if hashes:
            (programs / "sha256sum").write_text("#!/bin/sh\nexec cat\n")
            (programs / "sha256sum").chmod(0o755)
        (tmp_path / "kind").write_text(STAND_IN)
        (tmp_path / "kind").chmod(0o755)
        calls = tmp_path / "calls"
        calls.write_text("")
        settings = {key: str(value) for key, value in STEPS[name]["env"].items()}
        settings = {key: more if "matrix.more }}" in value else value for key, value in settings.items()}
        settings = {key: value.replace("${{ runner.temp }}", str(tmp_path)) for key, value in settings.items()}
        assert "${{" not in "".join(settings.values()), settings
        settings |= {"RUNNER_TEMP": str(tmp_path), "CALLS": str(calls), "PATH": f"{programs}:{os.environ['PATH']}"}
        run(["bash", "-e", "-c", STEPS[name]["run"]], cwd=TEMPLATE, expect=expect, **settings | variables)
        return [json.loads(line) for line in calls.read_text().splitlines()]

    return act


def test_it_runs_every_night_before_a_release_and_by_hand():
    assert {"schedule", "workflow_dispatch", "workflow_call"} <= WORKFLOW[True].keys()
    release = yaml.safe_load((TEMPLATE / ".github/workflows/release.yml").read_text())["jobs"]
    assert release["cluster"]["uses"] == "$/.github/workflows/cluster.yml"
    assert release["release"]["needs"] == ["whole", "cluster"]


def test_the_matrix_has_each_executor_with_each_way_of_the_dags():
    matrix = JOB["strategy"]["matrix"]
    six = list(product(matrix["executor"], matrix["delivery"]))
    assert sorted(six) == sorted(product(QUESTIONS["executor"], QUESTIONS["dag_delivery"]))
    assert len(six) == 6
    # What is included goes on top of one of the six, and makes no seventh.
    assert all((leg["executor"], leg["delivery"]) in six for leg in matrix["include"])
    assert [leg["more"] for leg in matrix["include"]] == ["Calico", "restricted"]
    assert JOB["strategy"]["fail-fast"] is False


def test_what_it_downloads_is_pinned_by_version_and_hash():
    kind = STEPS["Install kind"]["env"]
    assert re.fullmatch(r"v\d+\.\d+\.\d+", kind["VERSION"])
    cluster = STEPS["Make the cluster"]["env"]
    assert re.fullmatch(r"kindest/node:v[\d.]+@sha256:[0-9a-f]{64}", cluster["NODE"])
    for value in (kind["SHA256"], cluster["CALICO_SHA256"]):
        assert re.fullmatch("[0-9a-f]{64}", value)


def test_kind_is_compared_with_its_hash(script):
    (call,) = script("Install kind")
    assert call[0] == "curl"
    assert f"/releases/download/{STEPS['Install kind']['env']['VERSION']}/kind-linux-amd64" in "".join(call)


def test_another_kind_than_the_pinned_one_is_refused(script):
    """The stand-in's curl brings something else, and here sha256sum is the real one."""
    script("Install kind", hashes=False, expect=1)


@pytest.mark.parametrize("more", ["", "Calico", "restricted"])
def test_the_cluster_has_the_pinned_node_and_in_one_leg_calico(script, more):
    calls = script("Make the cluster", more=more)
    (create,) = [call for call in calls if call[0] == "kind"]
    assert create[1:3] == ["create", "cluster"]
    assert create[create.index("--image") + 1] == STEPS["Make the cluster"]["env"]["NODE"]
    config = yaml.safe_load(create[-1])
    assert config["networking"] == {"disableDefaultCNI": more == "Calico"}
    assert bool([call for call in calls if call[0] == "curl"]) == (more == "Calico")
    # A volume that more than one pod writes, as the default project asks for.
    (patch,) = [word for call in calls for word in call if word.startswith("--patch=")]
    shared = json.loads(json.loads(patch.partition("=")[2])["data"]["config.json"])
    assert list(shared) == ["sharedFileSystemPath"]


def test_a_cluster_that_cannot_be_made_fails_the_run(script):
    script("Make the cluster", ENDS_WITH="1", expect=1)


def test_the_report_of_a_failed_run_says_all_it_can(script):
    calls = script("What the cluster says", ENDS_WITH="1")
    assert [call[1] for call in calls] == ["get", "get", "describe", "get"]


def test_the_report_has_the_logs_of_the_scenario_s_pods_alone(script):
    calls = script("What the cluster says", PRINTS="etl-test-0a1b2c   airflow-worker-0\nkube-system   etcd")
    assert [call[1:4] for call in calls if "logs" in call] == [
        ["--namespace=etl-test-0a1b2c", "logs", "airflow-worker-0"]
    ]


def test_a_scenario_that_takes_too_long_is_reported():
    """Where the job's own time is over, no further step runs."""
    assert STEPS["The scenario"]["timeout-minutes"] + 15 <= JOB["timeout-minutes"]


def test_the_scenario_is_told_which_leg_it_is():
    step = STEPS["The scenario"]
    assert step["run"] == "make test-cluster"
    code = "".join(path.read_text() for path in (TEMPLATE / "tests/etl_tools/cluster/real").glob("*.py"))
    for name in step["env"]:
        assert f'"{name}"' in code, f"{name} is set, and nothing reads it"
    printed = run(["make", "--dry-run", "test-cluster"], cwd=TEMPLATE, KUBECONFIG="x")
    assert "tests/etl_tools/cluster/real" in printed
