"""No DAG file breaks, slows down or surprises the scheduler; policy: [tool.dag-integrity] in pyproject.toml.

The checks (dag_integrity) run once, in a process that has on its path what a pod has; each DAG file is
a test, named by its path in the DAG folder. With DAG=orders in the environment, only that DAG is checked.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from dag_integrity.config import read_policy
from dag_integrity.discovery import list_folder

ROOT = Path(__file__).resolve().parent.parent
DAG = os.environ.get("DAG", "")
DAGS = ROOT / read_policy(ROOT).dags_folder
FILES = [path for path in list_folder(DAGS).dag_files if DAG in path.stem or DAG in path.read_text()]
IDS = [path.relative_to(DAGS).with_suffix("").as_posix() for path in FILES]


@pytest.fixture(scope="session")
def report(tmp_path_factory):
    """What the checks found and printed. With pytest -n, each process that has such a test runs them."""
    path = tmp_path_factory.mktemp("integrity") / "report.json"
    command = [sys.executable, "-m", "dag_integrity", "--json", path]
    if DAG:
        command += ["--dag", DAG]
    if os.environ.get("GITLAB_CI"):
        command += ["--gitlab", ROOT / "build" / "gl-code-quality-report.json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if not path.exists():
        pytest.fail(f"The checks could not run:\n{done.stdout}{done.stderr}", pytrace=False)
    return json.loads(path.read_text(encoding="utf-8")) | {"printed": done.stdout}


@pytest.mark.parametrize("path", FILES, ids=IDS)
def test_dag(path, report):
    name = path.relative_to(ROOT).as_posix()
    _fail_with([finding for finding in report["findings"] if finding["file"] == name])


def test_rest(report, capsys):
    """Helper modules, what .airflowignore hides, the policy's exemptions."""
    if os.environ.get("GITHUB_ACTIONS"):
        with capsys.disabled():
            print("", *[line for line in report["printed"].splitlines() if line.startswith("::")], sep="\n")
    names = {path.relative_to(ROOT).as_posix() for path in FILES}
    _fail_with([finding for finding in report["findings"] if finding["file"] not in names])


def _fail_with(findings):
    if findings:
        # The rule first: pytest's summary has 80 columns.
        rules = ", ".join(dict.fromkeys(finding["rule"] for finding in findings))
        pytest.fail("\n".join([rules, *(finding["text"] for finding in findings)]), pytrace=False)
