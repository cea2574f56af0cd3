"""`make doctor OFFLINE=1` finds nothing wrong with a project as it is baked, whatever was answered."""

import re

import pytest

from tests.bake.combinations import all_pairs, readable
from tests.conftest import make_command, run


@pytest.mark.parametrize("answers", all_pairs(), ids=readable)
def test_a_project_as_baked_is_well(bake, answers):
    report = run([*make_command(), "doctor", "OFFLINE=1"], bake(**answers), None, PYTHONDONTWRITEBYTECODE="1")
    broken = re.findall("^\N{BALLOT X} (.*)$", report, re.MULTILINE)
    # What a person has to do: commit, and write his own address where he kept the default.
    assert [
        what for what in broken if not what.startswith(("not committed: ", "git_repo is still the placeholder"))
    ] == []
    assert "failed itself" not in report
