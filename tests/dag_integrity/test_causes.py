"""One cause, one line: and nothing is left out that has another cause."""

import json
import subprocess
import sys

import pytest

from dag_integrity.causes import BY_WARNING, one_line_each
from dag_integrity.model import Finding
from dag_integrity.ruff import SELECT


def found(rule, line=1, wrong="…", write="…", dag_id=""):
    return Finding("dags/a.py", line, rule, wrong, write, dag_id)


RUFF = found("airflow-3", 3, "days_ago is gone in Airflow 3")
UNSTABLE = found("unstable", 9, "Two parses differ: tags is 'a', then 'b'", dag_id="x")
ARGUMENT = "TypeError: Invalid arguments were passed to A (task_id: x). Invalid arguments were: **kwargs: {'sla': 1}"


@pytest.mark.parametrize(
    ("by", "one", "explained"),
    [
        (found("forbidden-at-import"), UNSTABLE, False),
        (found("forbidden-at-import"), found("import-budget"), False),
        (found("import-error", 4), UNSTABLE, False),
        (found("clock-at-import", 4), UNSTABLE, False),
        (found("clock-at-import", 4), found("unstable", 9, "start_date is 1764288000.0, then 1764374400.0"), True),
        (found("clock-at-import", 4), found("start-date", 9), False),
        (found("serialization", 9, dag_id="x"), UNSTABLE, True),
        (found("serialization", 9, dag_id="y"), UNSTABLE, False),
        (found("duplicate-dag-id", 9, dag_id="x"), UNSTABLE, True),
        (found("import-error", 4), found("image-import", 4), True),
        (found("import-error", 4), found("image-import", 5), False),
        (found("import-error", 4), found("python-syntax", 5), False),
        (RUFF, found("airflow-3", 8, "days_ago was removed, says Airflow", BY_WARNING), True),
        (RUFF, found("airflow-3", 8, "BaseHook is deprecated", BY_WARNING), False),
        (RUFF, found("context-key", 3), True),
        (RUFF, found("context-key", 4), False),
        (found("airflow-3", 3, "sla is gone in Airflow 3"), found("import-error", 3, ARGUMENT), True),
        (found("airflow-3", 3, "pool is gone in Airflow 3"), found("import-error", 3, ARGUMENT), False),
    ],
)
def test_a_finding_is_left_out_where_another_one_speaks_of_its_cause(by, one, explained):
    assert sorted(one_line_each([one, by])) == sorted([by] if explained else [one, by])


def test_each_of_ruff_s_rules_about_airflow_is_chosen_or_not():
    """A newer ruff has more of them: src/dag_integrity/ruff.py says which are applied, and why the others are not."""
    listing = [sys.executable, "-m", "ruff", "rule", "--all", "--output-format=json"]
    rules = json.loads(subprocess.run(listing, capture_output=True, text=True, check=True).stdout)
    of_airflow = {rule["code"] for rule in rules if (rule["code"] or "").startswith("AIR")}
    assert of_airflow == {*SELECT.split(",")} - {"B023"} | {"AIR001", "AIR003", "AIR004", "AIR201", "AIR202", "AIR304"}
