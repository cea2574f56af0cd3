"""No DAG file breaks, slows down or surprises the scheduler; policy: [tool.dag-integrity] in pyproject.toml.

The checks (dag_integrity/) run once, in a process of their own that has on its path what a pod has. Each DAG
file is a test, so that JUnit reports name it. With DAG=orders in the environment only that DAG is checked.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from dag_integrity.folder import list_folder
from dag_integrity.policy import read_policy

ROOT = Path(__file__).resolve().parent.parent
POLICY = read_policy(ROOT / "pyproject.toml")
DAG = os.environ.get("DAG", "")
DAG_FILES = [
    path.relative_to(ROOT).as_posix()
    for path in list_folder(ROOT / POLICY.dags_folder).dag_files
    if DAG in path.stem or DAG in path.read_text(encoding="utf-8")
]


@pytest.fixture(scope="session")
def report(tmp_path_factory):
    """The report of one run over the DAG folder."""
    path = tmp_path_factory.mktemp("integrity") / "report.json"
    command = [sys.executable, Path(__file__).with_name("dag_integrity"), "--json", path]
    if DAG:
        command += ["--dag", DAG]
    if os.environ.get("GITLAB_CI"):
        command += ["--gitlab", ROOT / "build" / "gl-code-quality-report.json"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if run.returncode > 1 or not path.exists():
        pytest.fail(f"The checks could not run:\n{run.stdout}{run.stderr}", pytrace=False)
    return json.loads(path.read_text(encoding="utf-8")) | {"output": run.stdout}


@pytest.mark.parametrize("file", DAG_FILES)
def test_dag_file(file, report):
    _fail_with([finding for finding in report["findings"] if finding["file"] == file])


def test_rest_of_the_dag_folder(report, capsys):
    """Helper modules, what .airflowignore hides, the policy's exemptions."""
    if os.environ.get("GITHUB_ACTIONS"):
        with capsys.disabled():
            print("", *[line for line in report["output"].splitlines() if line.startswith("::")], sep="\n")
    _fail_with([finding for finding in report["findings"] if finding["file"] not in DAG_FILES])


def _fail_with(findings):
    if findings:
        pytest.fail("\n".join(finding["text"] for finding in findings), pytrace=False)
