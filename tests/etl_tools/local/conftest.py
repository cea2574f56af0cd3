"""What the tests of the local tools share."""

import shutil
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def project(bake, installed, tmp_path_factory):
    """A project of the module's own, to change, in the environment that all default projects share."""
    copy = Path(shutil.copytree(bake(), tmp_path_factory.mktemp("local") / "my-etl", symlinks=True))
    (copy / ".venv").symlink_to(installed() / ".venv")
    return copy
