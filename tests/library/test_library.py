"""The tests of the library, in_project/, by a baked project's Python, and again on the oldest pandas and pyarrow.

The pods bring their own pandas: Airflow 3.0's image pandas 2.1.4 and pyarrow 16.1.0. What both make of the same dirty
rows must be equal, too.
"""

import os
import shutil
import sys
from pathlib import Path

import pytest

from tests.conftest import TEMPLATE, run

pytestmark = [pytest.mark.airflow, pytest.mark.xdist_group("library")]

HERE = Path(__file__).parent / "in_project"
FILES = sorted(path.name for path in HERE.glob("test_*.py"))
NEED_AIRFLOW = {"test_tasks.py", "test_sources.py"}
OLD = ["pandas==2.1.4", "pyarrow==16.1.0", "numpy<2"]
NEEDED = ["fsspec", "msgspec==0.19.0", "requests", "cryptography", "pytest", "hypothesis"]


@pytest.fixture(scope="module")
def project(installed, tmp_path_factory):
    """A baked project, and a folder with hypothesis for its Python."""
    project, extra = installed(), tmp_path_factory.mktemp("extra")
    run(
        [uv(), "pip", "install", "-q", "--python", f"{project}/.venv/bin/python", "--target", extra, "hypothesis"],
        extra,
    )
    return project, extra


@pytest.fixture(scope="module")
def pythons(project, tmp_path_factory):
    """Two interpreters, each with its PYTHONPATH: of the project's lock, and of the oldest image."""
    assert sys.version_info < (3, 13), "pandas 2.1.4 has no wheel for this Python: run the tests with 3.10 to 3.12"
    folder = tmp_path_factory.mktemp("old")
    run([uv(), "venv", "-q", "--python", sys.executable, "old"], folder)
    run([uv(), "pip", "install", "-q", "--python", "old/bin/python", *OLD, *NEEDED], folder)
    baked, extra = project
    dags = f"{baked}/dags{os.pathsep}{HERE}"
    locked = f"{baked}/.venv/bin/python", f"{dags}{os.pathsep}{extra}"
    return {"locked": locked, "old": (f"{folder}/old/bin/python", dags)}


def uv():
    return shutil.which("uv") or str(TEMPLATE / ".tools" / "bin" / "uv")


def pytest_in(python, path, name, folder, *words, **environment):
    options = ["-q", "-p", "no:cacheprovider", "-c", os.devnull, f"--rootdir={folder}", f"--confcutdir={HERE}"]
    command = [python, "-m", "pytest", *options, "--import-mode=importlib", *words, HERE / name]
    printed = run(command, folder, PYTHONPATH=path, **environment)
    assert " passed" in printed.splitlines()[-1]
    assert "skipped" not in printed.splitlines()[-1]


@pytest.mark.parametrize("name", FILES)
def test_on_the_projects_versions(project, tmp_path, name):
    baked, extra = project
    pytest_in(f"{baked}/.venv/bin/python", os.pathsep.join(map(str, (f"{baked}/dags", HERE, extra))), name, tmp_path)


@pytest.mark.parametrize("name", [name for name in FILES if name not in {*NEED_AIRFLOW, "test_client.py"}])
def test_on_the_oldest_versions(pythons, tmp_path, name):
    pytest_in(*pythons["old"], name, tmp_path)


def test_both_make_the_same_of_dirty_rows(pythons, tmp_path):
    printed = {
        name: run([python, HERE / "dirty.py", tmp_path / name], tmp_path, PYTHONPATH=path)
        for name, (python, path) in pythons.items()
    }
    assert '"rejected": ' in printed["old"]
    assert printed["old"].splitlines()[-2:] == printed["locked"].splitlines()[-2:]
