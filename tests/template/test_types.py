"""What a project owns is clean under pyright (basic) and mypy, as its pyproject.toml sets them up.

With a DAG of every kind beside the example. pyright is basedpyright, whose package brings its own Node.
"""

import json
import re
import shutil
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from tests.conftest import run
from tests.etl_tools.in_process import etl

pytestmark = [pytest.mark.airflow, pytest.mark.xdist_group("types")]
BIN = Path(sys.executable).parent
KINDS = ("source", "files", "sql", "plain", "heavy")


# Beside what the project owns: a wrong type in a DAG file and in a test, and what a DAG file may import.
WRONG = ("dags/wrong.py", "tests/wrong.py")
IMPORTS = "dags/definitions.py"
IMPORTED = {
    # Of the library, by way of the project's own package.
    "my_etl.earthquakes.dataset": "EARTHQUAKES",
    "dag_integrity": "rule",
    "etl_tools.cli": "main",
    "airflow.sdk": "dag",
}


@pytest.fixture(scope="module")
def project(bake, installed, tmp_path_factory):
    copy = Path(shutil.copytree(bake(), tmp_path_factory.mktemp("types") / "my-etl", symlinks=True))
    (copy / ".venv").symlink_to(installed() / ".venv")
    for kind in KINDS:
        etl(copy, "new-dag", f"my_{kind}", "--kind", kind)
    etl(copy, "new-dag", "my_asset", "--kind", "asset", "--asset", "my_source_clean")
    return copy


@pytest.fixture(scope="module")
def said(project):
    """What pyright says, by file: lines and messages. It runs once, for it reads Airflow's own files each time."""
    ours = {file: "number: int = 'text'\n" for file in WRONG}
    ours[IMPORTS] = "".join(f"from {module} import {name}\nreveal_type({name})\n" for module, name in IMPORTED.items())
    for file, text in ours.items():
        (project / file).write_text(text)
    try:
        report = json.loads(run([BIN / "basedpyright", "--outputjson"], cwd=project, expect=None))
    finally:
        for file in ours:
            (project / file).unlink()
    assert report["summary"]["filesAnalyzed"] > len(ours)
    by_file = defaultdict(list)
    for one in report["generalDiagnostics"]:
        if one["severity"] != "warning":
            line, file = one["range"]["start"]["line"] + 1, Path(one["file"]).relative_to(project).as_posix()
            by_file[file].append((line, one["message"]))
    return by_file


def test_pyright_finds_nothing(said):
    assert {file: lines for file, lines in said.items() if file not in (*WRONG, IMPORTS)} == {}


@pytest.mark.parametrize("file", WRONG)
def test_pyright_would_find_something(said, file):
    """The canary."""
    assert len(said[file]) == 1


def test_mypy_finds_nothing(project, tmp_path):
    command = [BIN / "mypy", "--python-executable", ".venv/bin/python", "--cache-dir", str(tmp_path)]
    assert run(command, cwd=project).startswith("Success: no issues found in ")


def test_an_editor_finds_what_a_dag_file_imports(said):
    """Go to definition leads into the library, the project's own package, and the installed ones."""
    for name, (_, message) in zip(IMPORTED.values(), sorted(said[IMPORTS]), strict=True):
        assert re.match(rf'Type of "{name}" is "(?!Unknown")', message), message
