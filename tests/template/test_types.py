"""What a project owns is clean under pyright (basic) and mypy, as its pyproject.toml sets them up.

With a DAG of every kind beside the example. pyright is basedpyright, whose package brings its own Node.
"""

import json
import re
import shutil
import sys
from pathlib import Path

import pytest

from tests.conftest import run
from tests.etl_tools.in_process import etl

pytestmark = pytest.mark.airflow
BIN = Path(sys.executable).parent
KINDS = ("source", "files", "sql", "plain", "heavy")


@pytest.fixture(scope="module")
def project(bake, installed, tmp_path_factory):
    copy = Path(shutil.copytree(bake(), tmp_path_factory.mktemp("types") / "my-etl", symlinks=True))
    (copy / ".venv").symlink_to(installed() / ".venv")
    for kind in KINDS:
        etl(copy, "new-dag", f"my_{kind}", "--kind", kind)
    etl(copy, "new-dag", "my_asset", "--kind", "asset", "--asset", "my_source_clean")
    return copy


def pyright(project, *paths):
    """Return what pyright says of these files, or of all that pyproject.toml names: file, rule or text."""
    said = json.loads(run([BIN / "basedpyright", "--outputjson", *paths], cwd=project, expect=None))
    assert said["summary"]["filesAnalyzed"] > 0
    return [
        (Path(one["file"]).relative_to(project).as_posix(), one["range"]["start"]["line"] + 1, one["message"])
        for one in said["generalDiagnostics"]
        if one["severity"] != "warning"
    ]


def test_pyright_finds_nothing(project):
    assert pyright(project) == []


def test_pyright_would_find_something(project):
    """The canary: a wrong type in a DAG file, and in a test."""
    for folder in ("dags", "tests"):
        file = project / folder / "wrong.py"
        file.write_text("number: int = 'text'\n")
        try:
            assert len(pyright(project, file)) == 1
        finally:
            file.unlink()


def test_mypy_finds_nothing(project, tmp_path):
    command = [BIN / "mypy", "--python-executable", ".venv/bin/python", "--cache-dir", str(tmp_path)]
    assert run(command, cwd=project).startswith("Success: no issues found in ")


def test_an_editor_finds_what_a_dag_file_imports(project):
    """Go to definition leads into the library, the project's own package, and the installed ones."""
    names = {
        # Of the library, by way of the project's own package.
        "my_etl.earthquakes.dataset": "EARTHQUAKES",
        "dag_integrity": "rule",
        "etl_tools.cli": "main",
        "airflow.sdk": "dag",
    }
    file = project / "dags" / "definitions.py"
    file.write_text("".join(f"from {module} import {name}\nreveal_type({name})\n" for module, name in names.items()))
    try:
        said = [message for _, _, message in pyright(project, file)]
    finally:
        file.unlink()
    for name, message in zip(names.values(), said, strict=True):
        assert re.match(rf'Type of "{name}" is "(?!Unknown")', message), message
