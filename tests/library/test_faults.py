"""The generated ETL under faults: real processes that are killed, real servers that fail."""

import random

import pytest

from tests.conftest import TEMPLATE, run

pytestmark = pytest.mark.airflow

# Other ones in every run; what fails prints the command, which has the seed. More of them with
# `python tests/library/in_project/kill_loop.py` by hand.
POINTS = 24


def test_killed_anywhere_and_two_runs_at_once(installed, tmp_path):
    project = installed()
    script = TEMPLATE / "tests" / "library" / "in_project" / "kill_loop.py"
    seed = random.randrange(2**32)
    command = [".venv/bin/python", str(script), str(tmp_path), str(seed), str(POINTS)]
    printed = run(command, cwd=project, PYTHONPATH="dags")
    assert "killed at" in printed
    assert printed.count("two runs at once") == 2
