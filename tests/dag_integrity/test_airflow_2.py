"""The same checks on Airflow 2, which --init finds in most repositories: the examples that can be written for it."""

import json
import re
import shutil
import sys

import pytest

from dag_integrity.model import RULES
from dag_integrity.rules import load_packaged
from tests.conftest import TEMPLATE, run
from tests.dag_integrity.examples import EXAMPLES, expected
from tests.dag_integrity.test_integrity import POLICY

pytestmark = [pytest.mark.airflow, pytest.mark.xdist_group("integrity-airflow-2")]

VERSION = "2.11.2"
OWN, _, _ = POLICY.partition("exempt")
POLICY_OF_2 = f"[tool.dag-integrity]\nairflow-version = '2.11'\nexecutors = ['CeleryExecutor']\n{OWN}"
# Where Airflow 2 has what is in airflow.sdk; an example that takes anything else of it is for Airflow 3
NAMES = {
    "Asset": "from airflow.datasets import Dataset as Asset",
    "BaseHook": "from airflow.hooks.base import BaseHook",
    "BaseOperator": "from airflow.models.baseoperator import BaseOperator",
    "BaseSensorOperator": "from airflow.sensors.base import BaseSensorOperator",
    "DAG": "from airflow.models.dag import DAG",
    "Param": "from airflow.models.param import Param",
    "TaskGroup": "from airflow.utils.task_group import TaskGroup",
    "Variable": "from airflow.models import Variable",
    "chain": "from airflow.models.baseoperator import chain",
    "dag": "from airflow.decorators import dag",
    "task": "from airflow.decorators import task",
}
# What Airflow 2 does not accept, has still, or has not
REFUSED = {"letters_tags", "op_arguments_given", "serialization_weight_rule", "start_date_missing", "untemplated_pool"}
THERE = {"op_arguments_removed", "template_removed"}
NOT_THERE = {"asset_name_two", "branch_of_people", "good_template", "outlet_event", "partitioned_asset_plain"}
# Without a schedule it means another one, daily, so more is found
MORE = {"schedule_unsaid"}
# What needs a package that this environment has not: pandas, psycopg2, virtualenv, kubernetes
PACKAGES = {"heavy_import", "heavy_import_from", "heavy_import_hidden", "forbidden_database"}
PACKAGES |= {"good_executor_config", "good_isolated", "isolated", "isolated_context"}
DIFFERENT = REFUSED | THERE | NOT_THERE | MORE | PACKAGES


def for_airflow_2(text):
    """The example in Airflow 2's words, each line where it was; '' where there are none for it."""
    for line in re.findall(r"(?m)^from airflow\.sdk import [\w, ]+$", text):
        names = line.partition(" import ")[2].split(", ")
        if not NAMES.keys() >= {*names}:
            return ""
        text = text.replace(line, "; ".join(NAMES[name] for name in names))
    return "" if re.search(r"airflow\.sdk|\w+_helpers|lib_with|good_spaces", text) else text


@pytest.fixture(scope="module")
def airflow_2():
    """Python with Airflow 2, installed once for this checkout."""
    folder = TEMPLATE / ".cache" / "build" / f"airflow-{VERSION}"
    if not (folder / ".installed").exists():
        shutil.rmtree(folder, ignore_errors=True)
        run(["uv", "venv", "--quiet", "--python", sys.executable, folder], cwd=TEMPLATE)
        packages = [f"apache-airflow=={VERSION}", "apache-airflow-providers-standard", "ruff"]
        run(["uv", "pip", "install", "--quiet", "--python", folder / "bin" / "python", *packages], cwd=TEMPLATE)
        (folder / ".installed").touch()
    return folder / "bin" / "python"


def test_examples(airflow_2, tmp_path):
    """Each is found that holds for Airflow 2, nothing else, and nothing is printed but findings."""
    load_packaged()
    dags = tmp_path / "dags"
    dags.mkdir()
    wanted = {}
    for path in [*(EXAMPLES / "broken").glob("*.py"), *(EXAMPLES / "good").glob("*.py")]:
        announced = sorted(expected(path.relative_to(EXAMPLES).as_posix()))
        for_3 = any(RULES[rule].since == "3" for _, rule in announced)
        if path.stem not in DIFFERENT and not for_3 and (text := for_airflow_2(path.read_text())):
            (dags / path.name).write_text(text)
            wanted[path.name] = announced
    (tmp_path / "pyproject.toml").write_text(POLICY_OF_2)
    command = [airflow_2, "-m", "dag_integrity", "--all", "--json", "report.json"]
    printed = run(command, cwd=tmp_path, expect=1, PYTHONPATH=str(TEMPLATE / "src"))
    report = json.loads((tmp_path / "report.json").read_text())
    seen = {name: [] for name in wanted}
    for one in report["findings"]:
        seen.setdefault(one["file"].removeprefix("dags/"), []).append((one["line"], one["rule"]))
    assert {name: sorted(found) for name, found in seen.items() if sorted(found) != wanted.get(name)} == {}, printed
    assert len(wanted) > 200
    assert [line for line in printed.splitlines() if not line.startswith(("dags/", "not parsed: "))][:-1] == []


REFUSED_FILE = """from airflow import DAG
from airflow.models import Variable
D = DAG("refused", schedule=Variable.get("when"))
"""
WAITS = """from airflow import DAG
from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
with DAG("waits", schedule=None):
    TriggerDagRunOperator(task_id="start", trigger_dag_id="refused")
"""


def test_a_repository_that_is_the_dag_folder(airflow_2, tmp_path):
    """No environment's files are its; a session that is only made hides no DAG, and a log level is a file's own.

    A DAG whose file is refused may be there, for those that name it.
    """
    text = "from airflow import DAG, settings\nSESSION = settings.Session()\nD = DAG('one', schedule=None)\n"
    (tmp_path / "one.py").write_text(text)
    loud = "import logging\nlogging.basicConfig()\nlogging.getLogger().setLevel(logging.DEBUG)\n"
    (tmp_path / "a.py").write_text(f"{loud}from airflow import DAG\nD = DAG('a', schedule=None)\n")
    for name in ("b", "c", "d"):
        quiet = "import logging\nfrom airflow import DAG\nlogging.debug('x' * 5_000)\n"
        (tmp_path / f"{name}.py").write_text(f"{quiet}D = DAG('{name}', schedule=None)\n")
    (tmp_path / "refused.py").write_text(REFUSED_FILE)
    (tmp_path / "waits.py").write_text(WAITS)
    (tmp_path / ".venv" / "lib").mkdir(parents=True)
    (tmp_path / ".venv" / "pyvenv.cfg").touch()
    (tmp_path / ".venv" / "lib" / "two.py").write_text(text.replace("one", "two"))
    (tmp_path / "requirements.txt").write_text(f"apache-airflow=={VERSION}\n")
    command = [airflow_2, "-m", "dag_integrity"]
    assert 'dags-folder = "."' in run([*command, "--init"], cwd=tmp_path, PYTHONPATH=str(TEMPLATE / "src"))
    printed = run(command, cwd=tmp_path, expect=1, PYTHONPATH=str(TEMPLATE / "src"))
    assert "one.py:2: forbidden-at-import: The file opens a database session" in printed
    assert "6 DAGs in 7 files (1 not parsed)" in printed, printed
    assert {*re.findall(r"\.py:\d+: ([\w-]+): ", printed)} == {"forbidden-at-import", "empty-dag"}, printed
