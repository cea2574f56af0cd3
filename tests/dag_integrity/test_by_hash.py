"""The pre-commit hook and the Action install what the checks need by hash, beside them, and touch no environment."""

import os
import re
import shutil
import sys

import pytest
import yaml

from tests.conftest import TEMPLATE, run

SCRIPT = "scripts/dag-integrity"
# What only ruff sees.
OLD = "from airflow.models.dag import DAG\n\nwith DAG('old', schedule_interval='@daily'):\n    pass\n"
LOCK = (TEMPLATE / "dag-integrity.lock").read_text()
PACKAGE = "src/dag_integrity"


@pytest.fixture
def checkout(tmp_path):
    """What of this template the script needs."""
    copy = tmp_path / "checkout"
    for name in (SCRIPT, "dag-integrity.lock"):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(TEMPLATE / name, copy / name)
    shutil.copytree(TEMPLATE / PACKAGE, copy / PACKAGE, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


@pytest.fixture
def foreign(tmp_path):
    """A DAG file that Airflow 3 does not import."""
    (tmp_path / "foreign" / "dags").mkdir(parents=True)
    (tmp_path / "foreign" / "dags" / "old.py").write_text(OLD)
    return tmp_path / "foreign"


def test_hook_and_action_run_one_script_and_nothing_else():
    (hook,) = yaml.safe_load((TEMPLATE / ".pre-commit-hooks.yaml").read_text())
    assert (hook["language"], hook["entry"].split()) == ("script", [SCRIPT, "--static"])
    assert "additional_dependencies" not in hook
    (step,) = yaml.safe_load((TEMPLATE / "action.yml").read_text())["runs"]["steps"]
    assert step["run"].strip() == f'"$GITHUB_ACTION_PATH/{SCRIPT}" --root "$ROOT"'
    assert os.access(TEMPLATE / SCRIPT, os.X_OK)
    installs = re.findall(r"^.*\bpip install\b(?:.*\\\n)*.*$", (TEMPLATE / SCRIPT).read_text(), re.MULTILINE)
    assert len(installs) == 2
    assert all("--require-hashes --no-deps --only-binary=:all:" in line for line in installs)


def test_the_lock_has_every_dependency_with_its_hashes():
    locked = re.findall(
        r"^([\w-]+)==\S+((?: ;[^\\\n]*)?)((?: \\\n    --hash=sha256:[0-9a-f]{64})+)$", LOCK, re.MULTILINE
    )
    assert len(locked) == sum("==" in line for line in LOCK.splitlines())
    (listed,) = re.findall(r"^dependencies = \[(.*)\]$", (TEMPLATE / "pyproject.toml").read_text(), re.MULTILINE)
    assert {name for name, _, _ in locked} == set(re.findall(r'"([\w-]+)', listed)) == {"pyyaml", "ruff"}
    # The version that everything else here is tested with.
    version = re.search(r"^ruff==\S+", LOCK, re.MULTILINE)[0]
    assert f"\n{version} " in (TEMPLATE / "requirements.lock").read_text()


def files_in(environment):
    """Path → size and time of change of each file, but for what Python compiles."""
    states = {path: path.stat() for path in environment.rglob("*") if path.is_file()}
    return {
        path: (state.st_size, state.st_mtime_ns) for path, state in states.items() if path.parent.name != "__pycache__"
    }


def test_it_runs_beside_an_environment_and_again_without_a_network(checkout, foreign, tmp_path):
    run(["uv", "venv", "--quiet", "--seed", "--python", sys.executable, "env"], cwd=tmp_path)
    python = str(tmp_path / "env/bin/python")
    before = files_in(tmp_path / "env")
    assert [path for path in before if "pip" in path.parts]
    command = [checkout / SCRIPT, "--static", "dags/old.py"]
    found = run(command, cwd=foreign, expect=1, PYTHON=python)
    assert "dags/old.py:3: airflow-3: " in found
    assert files_in(tmp_path / "env") == before
    # What pip would ask now is nowhere.
    again = run(command, cwd=foreign, expect=1, PYTHON=python, PIP_NO_INDEX="1", PIP_FIND_LINKS="/nowhere")
    assert [line for line in found.splitlines() if line.startswith("dags/")] == again.splitlines()


def test_a_package_with_another_content_is_refused(checkout, foreign):
    other = re.sub(r"(sha256:)(.)", lambda found: found[1] + ("0" if found[2] != "0" else "1"), LOCK)
    (checkout / "dag-integrity.lock").write_text(other)
    printed = run([checkout / SCRIPT, "--static", "dags/old.py"], cwd=foreign, expect=None, PYTHON=sys.executable)
    assert re.search("hash(es)? mismatch|do not match the hashes", printed, re.IGNORECASE), printed
    assert "airflow-3" not in printed
    # Nothing half done is taken for done the next time.
    assert list((checkout / ".dag-integrity").iterdir()) == []


def test_without_a_python_it_says_so(checkout, foreign, tmp_path):
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("sh", "dirname"):
        (tools / name).symlink_to(shutil.which(name))
    printed = run([checkout / SCRIPT, "--static", "dags/old.py"], cwd=foreign, expect=2, PATH=str(tools))
    assert "there is no python3 here" in printed
