"""No DAG file breaks, slows down or surprises the scheduler; policy: [tool.dag-integrity] in pyproject.toml.

The checks (tools/dag_integrity/) run once, in a process that has on its path what a pod has. Each
DAG file is a test, so that JUnit reports name it. With DAG=orders in the environment, only that DAG is.
"""

import atexit
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT))

from tools.dag_integrity.folder import list_folder  # noqa: E402
from tools.dag_integrity.policy import read_policy  # noqa: E402

POLICY = read_policy(ROOT / "pyproject.toml")
DAG = os.environ.get("DAG", "")
FOLDER = tempfile.TemporaryDirectory(prefix="dag-integrity-")
REPORT = Path(FOLDER.name) / "report.json"


def start_checks():
    """Start one run over the DAG folder, which writes REPORT."""
    command = [sys.executable, "-m", "tools.dag_integrity", "--json", REPORT]
    if DAG:
        command += ["--dag", DAG]
    if os.environ.get("GITLAB_CI"):
        command += ["--gitlab", ROOT / "build" / "gl-code-quality-report.json"]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


# Most of its time goes into importing Airflow: pytest collects the tests meanwhile.
CHECKS = start_checks()
atexit.register(CHECKS.kill)

DAG_FILES = [
    path.relative_to(ROOT).as_posix()
    for path in list_folder(ROOT / POLICY.dags_folder).dag_files
    if DAG in path.stem or DAG in path.read_text(encoding="utf-8")
]


@pytest.fixture(scope="session")
def report():
    """The report of that run, and what it printed."""
    output, _ = CHECKS.communicate()
    if CHECKS.returncode > 1 or not REPORT.exists():
        pytest.fail(f"The checks could not run:\n{output}", pytrace=False)
    return json.loads(REPORT.read_text(encoding="utf-8")) | {"output": output}


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
