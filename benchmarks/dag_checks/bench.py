"""Compare tools that check DAG files, on files with a known fault and on good ones; README.md says how it counts.

.venv/bin/python benchmarks/dag_checks/bench.py [--examples] [--only NAME] [--list]
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent))
from tools import HERE, ROOT, TOOLS, Died, Said, Tool, install

EXAMPLES = ROOT / "tests" / "dag_integrity"
TASTE = 0.2  # of the good files: what a tool says of more of them is not about the fault


class Case(NamedTuple):
    """A file, what is wrong with it ('' for a good one), and the lines that are right to name."""

    path: Path
    fault: str
    lines: frozenset[int]
    source: str = ""


class Score(NamedTuple):
    found: int
    right_line: int
    faults: int
    false_alarms: int
    good: int
    seconds: float
    missed: tuple[str, ...]
    note: str = ""


def read_case(path: Path) -> Case:
    """A case by the comments of its head. Raises ValueError with one line that says what is missing."""
    text = path.read_text(encoding="utf-8")
    head = dict(re.findall(r"(?m)^# (source|fault|line): *(.+?) *$", text.split('"""')[0]))
    if missing := {"source", "fault"} - set(head):
        raise ValueError(f"{path.name}: its head has no # {min(missing)}: line.")
    fault = "" if head["fault"] == "none" else head["fault"]
    lines = frozenset(int(number) for number in re.findall(r"\d+", head.get("line", "")))
    rows = text.splitlines()
    wrong = [line for line in lines if not 0 < line <= len(rows) or not rows[line - 1].strip()]
    if wrong or bool(fault) != bool(lines):
        raise ValueError(f"{path.name}: # line: has to name lines of the fault, and a good file has none.")
    return Case(path, fault, lines, head["source"])


def read_example(path: Path) -> Case:
    """One of the tests' examples, which say at the end of a line what has to be found there."""
    rows = path.read_text(encoding="utf-8").splitlines()
    marks = [(number, re.search(r"# expect(-above)?: ([\w, -]+)$", row)) for number, row in enumerate(rows, 1)]
    lines = frozenset(number - bool(mark[1]) for number, mark in marks if mark)
    return Case(path, rows[0].strip('"') if lines else "", lines)


def cases_of(examples: bool) -> list[Case]:
    if not examples:
        return [read_case(path) for path in sorted((HERE / "cases").glob("*.py"))]
    paths = [*sorted((EXAMPLES / "broken").glob("*.py")), *sorted((EXAMPLES / "good").glob("*.py"))]
    return [read_example(path) for path in paths]


def by_halves(tool: Tool, python: Path, cases: list[Case]) -> list[Said]:
    """What the tool says of the files; where one of them ends it, it gets each half, down to that file."""
    with tempfile.TemporaryDirectory(prefix="dag-checks-") as place:
        folder = Path(place)
        (folder / "dags").mkdir()
        for case in cases:
            shutil.copy(case.path, folder / "dags")
        for helpers in EXAMPLES.glob("*_helpers"):
            if any(case.path.is_relative_to(EXAMPLES) for case in cases):
                shutil.copytree(helpers, folder / "dags" / helpers.name)
                (folder / "dags" / ".airflowignore").write_text("*_helpers/\n")
        try:
            return tool.run(python, folder)
        except Died as error:
            if len(cases) == 1:
                return [Said(cases[0].path.name, "died")]
            if tool.name == "dag-integrity" or "No module" in str(error):
                raise
    half = len(cases) // 2
    return by_halves(tool, python, cases[:half]) + by_halves(tool, python, cases[half:])


def score(cases: list[Case], said: list[Said], seconds: float) -> Score:
    """Count what was found, at which line, and what was reported of good files."""
    by_file: dict[str, list[Said]] = defaultdict(list)
    for one in said:
        by_file[one.file].append(one)
    faulty, good = ([case for case in cases if bool(case.fault) == kind] for kind in (True, False))
    of_good: dict[str, set[str]] = defaultdict(set)
    for case in good:
        for one in by_file[case.path.name]:
            of_good[one.code].add(case.path.name)
    taste = {code for code, files in of_good.items() if len(files) > TASTE * len(good)}
    about = {case: [one for one in by_file[case.path.name] if one.code not in taste] for case in faulty}
    right = [case for case, ones in about.items() if any(one.line in case.lines for one in ones)]
    alarms = [case for case in good if by_file[case.path.name]]
    missed = tuple(case.path.stem for case, ones in about.items() if not ones)
    return Score(len(faulty) - len(missed), len(right), len(faulty), len(alarms), len(good), seconds, missed)


def measure(tool: Tool, cases: list[Case]) -> Score:
    python = install(tool)
    started = time.perf_counter()
    said = by_halves(tool, python, cases)
    return score(cases, said, time.perf_counter() - started)


def table(scores: dict[str, Score]) -> str:
    """The scores as a table in Markdown."""
    rows = [("Tool", "Found", "Right line", "False alarms", "Seconds")]
    for name, one in scores.items():
        counts = (f"{one.found} of {one.faults}", str(one.right_line), f"{one.false_alarms} of {one.good}")
        rows.append((name, *counts, f"{one.seconds:.1f}"))
    rows.insert(1, ("---", *["---:"] * 4))
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--examples", action="store_true", help="the examples of this repository's tests")
    parser.add_argument("--only", action="append", help="only the tools with this in their name")
    parser.add_argument("--list", action="store_true", help="say what each tool has missed, too")
    options = parser.parse_args(words)
    tools = [tool for tool in TOOLS if any(word in tool.name for word in options.only or [""])]
    if not tools:
        parser.error(f"There is no such tool; there are {', '.join(tool.name for tool in TOOLS)}.")
    cases = cases_of(options.examples)
    scores = {}
    for tool in tools:
        scores[tool.name] = one = measure(tool, cases)
        print(f"{tool.name} ({', '.join(tool.packages)}): {one.seconds:.1f} s", file=sys.stderr)
        if options.list and one.missed:
            print(f"  missed: {', '.join(one.missed)}", file=sys.stderr)
    print(table(scores))
    return 0


if __name__ == "__main__":
    sys.exit(main())
