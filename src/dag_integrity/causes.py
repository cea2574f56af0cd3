"""Which findings have one cause, of which one line speaks."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from .model import Finding

BY_WARNING = "Write what the message says"
# A day, an hour or the seconds since 1970, in what two parses have made
TIME = re.compile(r"\d{4}-\d\d-\d\d|\d\d:\d\d|\b\d{10}\b")


def _same_line(by: Finding, one: Finding) -> bool:
    return by.line == one.line


def _same_dag(by: Finding, one: Finding) -> bool:
    return by.dag_id == one.dag_id


def _of_time(by: Finding, one: Finding) -> bool:
    return bool(TIME.search(one.wrong))


# One cause, one line: where this holds, a finding of the first rule explains one of the second in the same file.
# Nothing else is left out: what a rule says of one line or DAG is no reason to be silent about the others.
EXPLAINS: dict[tuple[str, str], Callable[[Finding, Finding], bool]] = {
    ("clock-at-import", "unstable"): _of_time,
    ("duplicate-dag-id", "unstable"): _same_dag,
    ("import-error", "image-import"): _same_line,
    ("import-error", "python-syntax"): _same_line,
    ("serialization", "unstable"): _same_dag,
}


def one_line_each(findings: list[Finding]) -> list[Finding]:
    """Leave out what another finding explains: one cause, one line."""
    in_file: dict[str, list[Finding]] = {}
    for one in findings:
        in_file.setdefault(one.file, []).append(one)
    left: dict[tuple[Any, ...], Finding] = {}
    moved: set[tuple[str, str]] = set()
    # ruff, which knows where a name went, before the import that fails and Airflow's warnings
    for one in sorted(findings, key=lambda one: (one.write == BY_WARNING, ": " in one.wrong, one)):
        explained = any(_explains(by, one) for by in in_file[one.file] if by is not one)
        key = (one.file, one.line, one.rule, "" if one.rule == "forbidden-at-import" else one.wrong)
        if one.rule == "airflow-3" and (match := re.search(r"airflow\.[\w.]*\w", one.wrong)):
            explained = explained or (one.file, match[0]) in moved
            moved |= {(one.file, match[0]), (one.file, match[0].rpartition(".")[0])}
        if not explained:
            left.setdefault(key, one)
    return list(left.values())


def _explains(by: Finding, one: Finding) -> bool:
    """Whether a finding of the same file speaks of the cause of the other."""
    if by.rule != "airflow-3" or by.write == BY_WARNING:
        same = EXPLAINS.get((by.rule, one.rule))
        return same is not None and same(by, one)
    gone = by.wrong.split(" ")[0]  # a name by which ruff has said what to write
    if one.write == BY_WARNING:
        return by.line == one.line or gone.rpartition(".")[2] in one.wrong
    argument = re.search(r"(unexpected keyword argument |arguments were: \*\*kwargs: {)'(\w+)'", one.wrong)
    named = argument and argument[2] == gone
    return bool(named) or (one.rule == "context-key" and by.line == one.line)
