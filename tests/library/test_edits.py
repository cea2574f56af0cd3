"""What everyday edits cost: how many lines in which files, and that nothing else has to follow."""

import difflib
import json
import shutil

import pytest

from tests.conftest import run

pytestmark = pytest.mark.airflow

DATASET = "dags/my_etl/earthquakes/dataset.py"
# Transforms a sample day, the lines of its file changed by a function of header and rows; prints what came of it.
TRANSFORM = """
import json, sys
from my_etl.datasets import read, steps
from my_etl.datasets.settings import load
from my_etl.datasets.store import Store
from my_etl.earthquakes import source
from my_etl.earthquakes.dataset import EARTHQUAKES
settings = load()
header, *rows = (source.SAMPLE / "2018-02-01.csv").read_text().splitlines()
header, rows = eval(sys.argv[1])(header, rows)
with Store(settings.data_root).writing("raw/earthquakes/partition_date=2018-02-01/0000-of-0001.csv") as sink:
    sink.write("\\n".join([header, *rows, ""]).encode())
counts = steps.transform(EARTHQUAKES, "2018-02-01", settings)
events = read("earthquakes", "2018-02-01")
path = f"rejected/earthquakes/partition_date=2018-02-01/earthquakes.jsonl"
with Store(settings.data_root).open(path) as file:
    rejected = [json.loads(line) for line in file]
columns = {name: [str(value) for value in events[name].dropna()] for name in events}
print(json.dumps({"counts": counts, "columns": columns, "rejected": rejected,
                  "types": {name: str(events[name].dtype) for name in events}}))
"""
AS_IT_IS = "lambda header, rows: (header, rows)"


@pytest.fixture
def project(installed, tmp_path):
    """A copy of a baked project, to be edited; it uses the environment of the one it was copied from."""
    baked = installed()
    copy = tmp_path / "project"
    shutil.copytree(baked, copy, symlinks=True, ignore=shutil.ignore_patterns(".venv", ".airflow", ".git"))
    (copy / ".venv").symlink_to(baked / ".venv")
    return copy


@pytest.fixture
def edit(project):
    """Return a function: pairs of old and new text in the dataset's module → how many lines were added or changed."""

    def edit(*pairs):
        path = project / DATASET
        before = text = path.read_text()
        for old, new in pairs:
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        path.write_text(text)
        changed = difflib.ndiff(before.splitlines(), text.splitlines())
        return len([line for line in changed if line.startswith("+ ")])

    return edit


@pytest.fixture
def transform(project):
    def transform(change=AS_IT_IS, **environment):
        environment = {"ETL_DATA_ROOT": f"file://{project}/data", "PYTHONPATH": "dags"} | environment
        printed = run([".venv/bin/python", "-c", TRANSFORM, change], cwd=project, **environment)
        return json.loads(printed.splitlines()[-1])

    return transform


# What is edited: pairs of old and new text.
DERIVED = 'Column("depth_class"'
AFTER_DEPTH = '    events["local_day"] ='
A_DERIVED_COLUMN = [
    (f"    {DERIVED}", f'    Column("is_deep", "boolean", "", "deeper than 300 km"),\n    {DERIVED}'),
    (AFTER_DEPTH, f'    events["is_deep"] = events["depth"] > 300\n{AFTER_DEPTH}'),
]
ANOTHER_TYPE = [('Column("nst", "integer"', 'Column("nst", "number"')]
A_RULE = [
    (
        "def is_no_earthquake(",
        'def is_too_early(events):\n    return events["updated"] < events["time"]\n\n\ndef is_no_earthquake(',
    ),
    ("    set_apart=", '    rules={"was changed before it happened": is_too_early},\n    set_apart='),
]
NEW_COLUMN = 'Column("felt", "integer", "1", "reports by people", low=0, optional=True)'
A_NEW_COLUMN = [('    Column("magSource"', f'    {NEW_COLUMN},\n    Column("magSource"')]


def another_range(high):
    return [('"magnitude", low=-5, high=10', f'"magnitude", low=-5, high={high}')]


def test_a_derived_column_is_two_lines(edit, transform):
    assert edit(*A_DERIVED_COLUMN) == 2
    assert set(transform()["columns"]["is_deep"]) == {"True", "False"}


def test_another_range_is_one_line(edit, transform):
    assert edit(*another_range(5)) == 1
    made = transform()
    assert made["counts"]["rejected"] == len(made["rejected"]) > 0
    assert all("is outside -5 to 5" in row["reason"] for row in made["rejected"])
    assert made["counts"]["read"] == 231


def test_another_type_is_one_line(edit, transform):
    assert edit(*ANOTHER_TYPE) == 1
    assert transform()["types"]["nst"] == "float64"


def test_a_rule_across_two_columns_is_one_function(edit, transform):
    assert edit(*A_RULE) <= 5
    early = (
        "lambda header, rows: (header, [rows[0].replace('nc72962066,2018-02-01', 'nc72962066,2017-02-01'), *rows[1:]])"
    )
    made = transform(early)
    (rejected,) = made["rejected"]
    assert (rejected["file"], rejected["line"]) == ("0000-of-0001.csv", 2)
    assert rejected["reason"] == "was changed before it happened"
    assert rejected["row"].startswith("2018-02-01T00:05:11.290Z,37.6438333")
    assert made["counts"]["clean"] == 223


def test_a_column_that_the_source_begins_to_send_is_one_line(edit, transform):
    assert edit(*A_NEW_COLUMN) == 1
    assert set(transform()["columns"]["felt"]) == set(), "old files are read as they were"
    made = transform("lambda header, rows: (header + ',felt', [row + ',7' for row in rows])")
    assert set(made["columns"]["felt"]) == {"7"}


def test_with_all_of_them_the_project_s_own_tests_pass_as_they_are(edit, project):
    """In one run: its Airflow takes longer to start than all that is above."""
    for pairs in (A_DERIVED_COLUMN, another_range(9.5), ANOTHER_TYPE, A_RULE, A_NEW_COLUMN):
        edit(*pairs)
    command = [".venv/bin/python", "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/test_earthquakes.py"]
    assert "passed" in run(command, project)
