"""The generated ETL under faults: real processes that are killed, real servers that fail."""

import pytest

from tests.conftest import TEMPLATE, run

pytestmark = pytest.mark.airflow

# At a crash a day; more of them with `python tests/library/in_project/kill_loop.py` by hand.
SEED, POINTS = 20180201, 60


def test_killed_anywhere_and_two_runs_at_once(installed, tmp_path):
    project = installed()
    script = TEMPLATE / "tests" / "library" / "in_project" / "kill_loop.py"
    command = [".venv/bin/python", str(script), str(tmp_path), str(SEED), str(POINTS)]
    printed = run(command, cwd=project, PYTHONPATH="dags")
    assert "killed at" in printed
    assert printed.count("two runs at once") == 2
