"""benchmarks/dag_checks: its cases have the form that it asks for, and its own code counts what a tool says."""

import sys
from pathlib import Path

import pytest

from tests.conftest import TEMPLATE

BENCH = TEMPLATE / "benchmarks" / "dag_checks"
sys.path.insert(0, str(BENCH))
import bench  # noqa: E402
import tools  # noqa: E402

THREE = ("concurrency_gone", "env_numbers", "g_env")


@pytest.fixture(scope="module")
def three():
    return [bench.read_case(BENCH / "cases" / f"{name}.py") for name in THREE]


def test_every_case_has_the_form():
    cases = bench.cases_of(examples=False)
    assert sum(bool(case.fault) for case in cases) > 50
    assert sum(not case.fault for case in cases) > 25
    for case in cases:
        compile(case.path.read_text(), str(case.path), "exec")


def test_the_examples_are_cases_too():
    cases = bench.cases_of(examples=True)
    assert {bool(case.fault) for case in cases} == {True, False}


@pytest.mark.parametrize(
    ("head", "said"),
    [
        ("# fault: x\n# line: 4\n", "no # source:"),
        ("# source: x\n# fault: none\n# line: 4\n", "a good file has none"),
        ("# source: x\n# fault: x\n", "name lines of the fault"),
        ("# source: x\n# fault: x\n# line: 99\n", "name lines of the fault"),
    ],
)
def test_a_case_without_its_head_is_refused(tmp_path, head, said):
    path = tmp_path / "case.py"
    path.write_text(f'{head}"""A case."""\nLIMIT = 1\n')
    with pytest.raises(ValueError, match=said):
        bench.read_case(path)


def test_a_tool_is_run_and_counted(three):
    """ruff, which is here anyway, on three cases: it knows one fault, and says nothing of the good file."""
    ruff = tools.Tool("ruff", (), tools.ruff("--select=AIR3"))
    said = bench.by_halves(ruff, Path(sys.executable), three)
    score = bench.score(three, said, 1.5)
    assert (score.found, score.right_line, score.faults, score.false_alarms, score.good) == (1, 1, 2, 0, 1)
    assert score.missed == ("env_numbers",)
    assert "| ruff | 1 of 2 | 1 | 0 of 1 | 1.5 |" in bench.table({"ruff": score}).splitlines()


def test_taste_finds_no_fault(three):
    """What is said of good files as well counts as a false alarm, and not as found."""
    said = [tools.Said(case.path.name, "style", min(case.lines, default=1)) for case in three]
    score = bench.score(three, said, 0)
    assert (score.found, score.right_line, score.false_alarms) == (0, 0, 1)


def test_a_file_that_ends_a_tool_takes_no_other_with_it(three):
    def run(_, folder):
        names = [path.name for path in (folder / "dags").glob("*.py")]
        if "env_numbers.py" in names:
            raise tools.Died("exit code 1")
        return [tools.Said(name, "seen", 3) for name in names]

    said = bench.by_halves(tools.Tool("mortal", (), run), Path(sys.executable), three)
    assert sorted(said) == [
        tools.Said("concurrency_gone.py", "seen", 3),
        tools.Said("env_numbers.py", "died"),
        tools.Said("g_env.py", "seen", 3),
    ]
