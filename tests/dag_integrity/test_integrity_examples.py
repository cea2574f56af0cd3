"""Airflow's own example DAGs, run through the generated project's DAG checks: nothing crashes, every finding is true.

The examples keep to no policy of ours, so that they try the rules on DAGs that nobody wrote for them. What the rules
about a DAG's arguments find is compared with what Airflow itself says about the same DAGs. Every other finding is in
EXPLAINED, with the reason why it is right.
"""

import json
import re
import shutil

import pytest

from tests.conftest import run
from tests.dag_integrity.test_integrity import check, project_with

pytestmark = [pytest.mark.airflow, pytest.mark.xdist_group("integrity-examples")]

NO_PRODUCER = "its own name says that it is never scheduled, or its asset is made by no example"
PLUGIN = "its class comes from a plugin, which is not installed here any more than in a pod without it"
HELPER = "a module without a DAG that the folder's .airflowignore does not name"
KUBERNETES = "it needs the kubernetes client, which the default project does not install"
EXPLAINED = {
    ("example_assets.py", "asset"): NO_PRODUCER,
    ("example_custom_weight.py", "serialization"): PLUGIN,
    ("example_workday_timetable.py", "serialization"): PLUGIN,
    ("example_kubernetes_executor.py", "no-dag"): KUBERNETES,
    ("example_local_kubernetes_executor.py", "no-dag"): KUBERNETES,
    ("example_params_trigger_ui.py", "hidden-failure"): "its last task runs whatever has failed before",
    ("example_params_ui_tutorial.py", "clock-at-import"): "the defaults of two params are made from date.today()",
    ("example_outlet_event_extra.py", "asset-name"): "another example gives the same URI another name",
    ("example_passing_params_via_test_command.py", "template"): "its param foo comes from the command line alone",
    ("example_retry_policy.py", "heavy-import"): "its retry rule names requests' exception, which Airflow imports",
    ("example_simplest_dag.py", "schedule-unsaid"): "it has none, and says so only by that",
    ("tutorial_objectstorage.py", "heavy-import"): "it imports requests at the top",
    ("tutorial_objectstorage.py", "image-import"): "it imports duckdb, which the stock image has not",
    ("libs/helper.py", "no-dag"): HELPER,
    ("plugins/business_day_window.py", "no-dag"): HELPER,
    ("plugins/custom_partition_mapper.py", "no-dag"): HELPER,
    ("plugins/custom_partition_timetable.py", "no-dag"): HELPER,
    ("plugins/decreasing_priority_weight_strategy.py", "no-dag"): HELPER,
    ("plugins/event_listener.py", "no-dag"): HELPER,
    ("plugins/listener_plugin.py", "no-dag"): HELPER,
    ("plugins/workday.py", "no-dag"): HELPER,
}
# What Airflow says of each DAG: the rules that it breaks, found without any code of the checks.
ACCORDING_TO_AIRFLOW = """
import json, sys
from datetime import timedelta
from pathlib import Path
from airflow.dag_processing.dagbag import DagBag
sys.path.append("dags")
bag = DagBag("dags", bundle_path=Path("dags").resolve())
assert not bag.import_errors, bag.import_errors
broken, soon = {}, timedelta(seconds=10)
files = [dag.fileloc for dag in bag.dags.values()]
for dag in bag.dags.values():
    text = Path(dag.fileloc).read_text()
    of_asset = any(type(task).__name__ == "_AssetMainOperator" for task in dag.tasks)
    working = [task for task in dag.tasks if task.task_type != "EmptyOperator"]
    rules = {
        "tags": not dag.tags,
        "docs": not dag.description or not (dag.doc_md or of_asset),
        "dag-id": not of_asset and files.count(dag.fileloc) == 1 and dag.dag_id != Path(dag.fileloc).stem,
        "owner": not of_asset and bool({task.owner for task in dag.tasks} - {"data-team"}),
        "retries": not of_asset and any(not task.retries or task.retry_delay < soon for task in working),
        "timeout": not of_asset and not dag.dagrun_timeout and any(not task.execution_timeout for task in working),
    }
    broken[dag.dag_id] = sorted(rule for rule, is_broken in rules.items() if is_broken)
json.dump(broken, open("according_to_airflow.json", "w"))
"""


@pytest.fixture(scope="module")
def examples(installed, tmp_path_factory):
    """A project whose DAG folder is Airflow's example DAGs, and the report on it."""
    project, dags = project_with(installed, tmp_path_factory.mktemp("examples"), None)
    where = run([".venv/bin/python", "-c", "import airflow; print(airflow.__path__[0])"], cwd=project).split()[-1]
    shutil.rmtree(dags)
    shutil.copytree(f"{where}/example_dags", dags, ignore=shutil.ignore_patterns("__pycache__"))
    report, _ = check(project, expect=1)
    return project, report


def test_every_finding_is_explained(examples):
    _, report = examples
    of_arguments = {"tags", "docs", "dag-id", "owner", "retries", "timeout", "start-date", "catchup", "max-active-runs"}
    others = {(f["file"].removeprefix("dags/"), f["rule"]) for f in report["findings"] if f["rule"] not in of_arguments}
    assert others == set(EXPLAINED)


def test_findings_about_arguments_are_what_airflow_says(examples):
    project, report = examples
    run([".venv/bin/python", "-c", ACCORDING_TO_AIRFLOW], cwd=project, AIRFLOW_HOME=str(project / ".airflow"))
    said = json.loads((project / "according_to_airflow.json").read_text())
    rules = {"tags", "docs", "dag-id", "owner", "retries", "timeout"}
    found = {dag["dag_id"]: set() for dag in report["dags"]}
    for finding in report["findings"]:
        if finding["rule"] in rules:
            found[finding["dag_id"]].add(finding["rule"])
    assert {dag_id: sorted(broken) for dag_id, broken in found.items()} == said
    assert len(said) > 80


def test_findings_about_time_are_what_the_files_say(examples):
    project, report = examples
    for finding in report["findings"]:
        text = (project / finding["file"]).read_text()
        if finding["rule"] == "start-date" and "timezone" in finding["wrong"]:
            assert re.search(r"start_date=(datetime\.)?datetime\(\d+, \d+, \d+\)", text)
        elif finding["rule"] in ("start-date", "catchup", "max-active-runs"):
            assert finding["file"] == "dags/example_asset_partition.py"
            assert "max_active_runs" not in text
            assert "start_date" not in text


TWICE = """
import sys
from pathlib import Path
sys.path.insert(0, ".")
from dag_integrity.engine import Check
from dag_integrity.config import read_policy
deterministic, is_deterministic = set(), Check._is_deterministic
# It gives nothing: parse it twice
Check._is_deterministic = lambda check, path: is_deterministic(check, path) and deterministic.add(path)
check = Check(Path.cwd(), read_policy(Path.cwd()))
check.run()
assert len(deterministic) > 10, deterministic
assert [path for path in deterministic if check.plain[path].serialized != check.perturbed[path].serialized] == []
"""


def test_what_is_parsed_once_is_the_same_when_parsed_twice(examples):
    project, _ = examples
    run([".venv/bin/python", "-c", TWICE], cwd=project)
