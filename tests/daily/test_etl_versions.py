"""The generated ETL's functions on the pandas and pyarrow of an old Airflow image and on those of the lock.

The pods bring their own pandas: Airflow 3.0's image pandas 2.1.4 and pyarrow 16.1.0. What both make of the same dirty
rows must be equal, and what must hold for any dirty file is tried on both.
"""

import os
import shutil
import sys

import pytest

from tests.conftest import TEMPLATE, run

pytestmark = [pytest.mark.airflow, pytest.mark.xdist_group("versions")]

ETL = TEMPLATE / "tests" / "daily"
OLD = ["pandas==2.1.4", "pyarrow==16.1.0", "numpy<2"]
NEEDED = ["fsspec", "requests", "cryptography", "pytest", "hypothesis"]


@pytest.fixture(scope="module")
def pythons(installed, tmp_path_factory):
    """Two interpreters: `locked` has what requirements.lock says, `old` has the oldest image's pandas and pyarrow."""
    assert sys.version_info < (3, 13), "pandas 2.1.4 has no wheel for this Python: run the tests with 3.10 to 3.12"
    folder = tmp_path_factory.mktemp("versions")
    uv = shutil.which("uv") or str(TEMPLATE / ".tools" / "bin" / "uv")
    project = installed()
    extra = folder / "extra"
    run(
        [uv, "pip", "install", "-q", "--python", f"{project}/.venv/bin/python", "--target", extra, "hypothesis"], folder
    )
    run([uv, "venv", "-q", "--python", sys.executable, "old"], folder)
    run([uv, "pip", "install", "-q", "--python", "old/bin/python", *OLD, *NEEDED], folder)
    dags = f"{project}/dags{os.pathsep}{ETL}"
    return {
        "locked": ([f"{project}/.venv/bin/python"], f"{dags}{os.pathsep}{extra}"),
        "old": ([f"{folder}/old/bin/python"], dags),
    }


def test_both_make_the_same_of_dirty_rows(pythons, tmp_path):
    printed = {
        name: run([*python, ETL / "dirty.py", "my_etl", tmp_path / name], tmp_path, PYTHONPATH=path)
        for name, (python, path) in pythons.items()
    }
    assert '"rejected": ' in printed["old"]
    assert printed["old"].splitlines()[-2:] == printed["locked"].splitlines()[-2:]


@pytest.mark.parametrize("name", ["locked", "old"])
def test_what_must_hold_for_any_dirty_file(pythons, tmp_path, name):
    python, path = pythons[name]
    options = ["-q", "--noconftest", "-p", "no:cacheprovider", "-c", os.devnull, f"--rootdir={tmp_path}"]
    printed = run(
        [*python, "-m", "pytest", *options, ETL / "properties.py"], tmp_path, PYTHONPATH=path, PACKAGE="my_etl"
    )
    assert "4 passed" in printed


def test_the_projects_own_tests_pass_on_the_old_versions(pythons, installed, tmp_path):
    python, _ = pythons["old"]
    files = [f"tests/test_etl_{name}.py" for name in ("cleaning", "partition", "service")]
    printed = run([*python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *files], installed())
    assert " passed" in printed.splitlines()[-1]
    assert "skipped" not in printed.splitlines()[-1]
