"""The same checks in a repository with Airflow DAGs that was never generated: as a pre-commit hook and as an Action."""

import shutil
import subprocess

import pytest
import yaml

from tests.conftest import TEMPLATE, clean_environment, run

pytestmark = [pytest.mark.airflow, pytest.mark.xdist_group("integrity")]

DAG = '''"""A DAG of somebody else."""

import datetime

from airflow.sdk import DAG, task
%s
with DAG("theirs", schedule="@daily", start_date=datetime.datetime(2026, 1, 1), catchup=False):

    @task
    def load():
        return 1

    load()
'''

PLUGIN = """
from airflow.plugins_manager import AirflowPlugin
from airflow.timetables.base import DataInterval, Timetable


class Odd(Timetable):
    def infer_manual_data_interval(self, *, run_after):
        return DataInterval.exact(run_after)

    def next_dagrun_info(self, *, last_automated_data_interval, restriction):
        return None


class Plugin(AirflowPlugin):
    name = "odd"
    timetables = [Odd]
"""


@pytest.fixture
def foreign(tmp_path):
    """A small repository: two DAG files in dags/, one of which reads a Variable at import; no pyproject.toml."""
    project = tmp_path / "foreign"
    (project / "dags").mkdir(parents=True)
    (project / "dags" / "theirs.py").write_text(DAG % "")
    bad = DAG.replace('"theirs"', '"bad"') % "from airflow.sdk import Variable\n\nLIMIT = Variable.get('limit')\n"
    (project / "dags" / "bad.py").write_text(bad)
    run(["git", "init", "--quiet"], cwd=project)
    run(["git", "add", "."], cwd=project)
    return project


@pytest.fixture
def checkout(tmp_path):
    """A commit of this template as it is on the disk, as a tag of it would be."""
    copy = tmp_path / "airflow-etl-template"
    files = run(["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"], cwd=TEMPLATE)
    for name in filter(None, files.split("\0")):
        if (TEMPLATE / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(TEMPLATE / name, copy / name)
    for command in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "--message", "A version"]):
        run(["git", *command], cwd=copy)
    return copy


FOUND = "dags/bad.py:8: forbidden-at-import: The file reads an Airflow Variable when it is parsed."


def test_as_a_pre_commit_hook(foreign, checkout, tmp_path):
    command = [TEMPLATE / ".venv" / "bin" / "pre-commit", "run", "--all-files"]
    home = str(tmp_path / "pre-commit")
    commit = run(["git", "rev-parse", "HEAD"], cwd=checkout).strip()
    repo = {"repo": str(checkout), "rev": commit, "hooks": [{"id": "dag-integrity"}]}
    (foreign / ".pre-commit-config.yaml").write_text(yaml.safe_dump({"repos": [repo]}))
    run(["git", "add", "--all"], cwd=foreign)
    printed = run(command, cwd=foreign, expect=1, PRE_COMMIT_HOME=home)
    assert [line for line in printed.splitlines() if line.startswith("dags/")] == [
        line for line in printed.splitlines() if line.startswith(FOUND)
    ]
    assert FOUND in printed
    (foreign / "dags" / "bad.py").unlink()
    run(["git", "add", "--all"], cwd=foreign)
    run(command, cwd=foreign, expect=0, PRE_COMMIT_HOME=home)


def test_as_an_action(installed, foreign, checkout, tmp_path):
    """The Action's own steps, in a Python that has Airflow; then with a policy of the repository's own."""
    project = installed()
    run(["uv", "venv", "--quiet", "--seed", "--python", project / ".venv" / "bin" / "python", "env"], cwd=tmp_path)
    own, theirs = (
        next((folder / "lib").glob("python*")) / "site-packages" for folder in (tmp_path / "env", project / ".venv")
    )
    (own / "airflow.pth").write_text(f"{theirs}\n")
    action = yaml.safe_load((checkout / "action.yml").read_text())

    def act(expect):
        environment = {
            "GITHUB_ACTION_PATH": str(checkout),
            "GITHUB_ACTIONS": "true",
            "PYTHON": str(tmp_path / "env/bin/python"),
        }
        step = action["runs"]["steps"][0]
        assert set(step["env"]) <= {"PYTHON", "ROOT"}
        done = subprocess.run(
            ["bash", "-e", "-c", step["run"]],
            cwd=foreign,
            env=clean_environment() | environment | {"ROOT": action["inputs"]["root"]["default"]},
            capture_output=True,
            text=True,
        )
        assert done.returncode == expect, done.stdout + done.stderr
        return [line for line in done.stdout.splitlines() if line.startswith("dags/")]

    found = act(expect=1)
    assert len(found) == 1
    assert found[0].startswith(FOUND)
    (foreign / "dags" / "bad.py").unlink()
    # As many repositories have it: a folder beside the DAGs, and plugins, which Airflow puts on the path; all of it is
    # AIRFLOW_HOME in the image.
    for folder in ("include", "plugins/hooks"):
        (foreign / folder).mkdir(parents=True)
        (foreign / folder / "ours.py").write_text("LIMIT = 1\n")
    (foreign / "plugins" / "odd.py").write_text(PLUGIN)
    read = "import os\nLIMIT = open(os.environ['AIRFLOW_HOME'] + '/include/ours.py').read()\n"
    theirs = DAG % f"import hooks.ours\nimport include.ours\nfrom odd import Odd\n{read}"
    (foreign / "dags" / "theirs.py").write_text(theirs.replace('"@daily"', "Odd()"))
    act(expect=0)
    (foreign / "dags").rename(foreign / "elsewhere")
    (foreign / "pyproject.toml").write_text('[tool.dag-integrity]\ndags-folder = "elsewhere"\n')
    act(expect=0)
    (foreign / "elsewhere").rename(foreign / "dags")
    # With the repository alone on the path, its plugins are those of AIRFLOW_HOME, and nothing else of it is a plugin.
    (foreign / "pyproject.toml").write_text('[tool.dag-integrity]\npath = ["."]\n')
    (foreign / "include" / "no_plugin.py").write_text("raise SystemExit\n")
    (foreign / "dags" / "theirs.py").write_text(theirs.replace('"@daily"', "Odd()").replace("import hooks.ours\n", ""))
    act(expect=0)
    policy = '[tool.dag-integrity]\nowners = ["us"]\noff = ["docs", "timeout"]\n'
    (foreign / "pyproject.toml").write_text(policy)
    assert {line.split(": ")[1] for line in act(expect=1)} == {"import-error"}
    (foreign / "pyproject.toml").write_text(f'{policy}path = [".", "plugins"]\n')
    rules = {line.split(": ")[1] for line in act(expect=1)}
    assert rules == {"owner", "retries", "tags", "start-date"}
