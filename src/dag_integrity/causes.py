"""Which findings have one cause, of which one line speaks."""

from __future__ import annotations

import re
from typing import Any

from .model import Finding

BY_WARNING = "Write what the message says"
# One cause, one line: a finding of the first kind explains those of the second in the same file.
EXPLAINED_BY = {
    "clock-at-import": {"unstable", "start-date"},
    "duplicate-dag-id": {"unstable"},
    "forbidden-at-import": {"import-budget", "time-limit", "unstable"},
    "heavy-import": {"import-budget"},
    "import-error": {"image-import", "python-syntax", "unstable"},
    "process-death": {"unstable"},
    "serialization": {"unstable"},
    "time-limit": {"unstable", "import-budget"},
}


def one_line_each(findings: list[Finding]) -> list[Finding]:
    """Leave out what another finding explains: one cause, one line."""
    rules: dict[str, set[str]] = {}
    for one in findings:
        rules.setdefault(one.file, set()).add(one.rule)
    left: dict[tuple[Any, ...], Finding] = {}
    moved: set[tuple[str, str]] = set()
    by_line = {(one.file, one.line) for one in findings if one.rule == "airflow-3"}
    by_ruff = {one.file for one in findings if one.rule == "airflow-3" and one.write != BY_WARNING}
    gone = {(one.file, one.wrong.split(" ")[0]) for one in findings if one.rule == "airflow-3"}
    # ruff, which knows where a name went, before the import that fails and Airflow's warnings
    for one in sorted(findings, key=lambda one: (one.write == BY_WARNING, ": " in one.wrong, one)):
        explained = any(one.rule in EXPLAINED_BY.get(rule, ()) for rule in rules[one.file])
        explained = explained or (one.write == BY_WARNING and one.file in by_ruff)
        explained = explained or (one.rule == "context-key" and (one.file, one.line) in by_line)
        argument = re.search(r"unexpected keyword argument '(\w+)'", one.wrong)
        explained = explained or bool(argument and (one.file, argument[1]) in gone)
        key = (one.file, one.line, one.rule, "" if one.rule == "forbidden-at-import" else one.wrong)
        if one.rule == "airflow-3" and (match := re.search(r"airflow\.[\w.]*\w", one.wrong)):
            explained = explained or (one.file, match[0]) in moved
            moved |= {(one.file, match[0]), (one.file, match[0].rpartition(".")[0])}
        if not explained:
            left.setdefault(key, one)
    return list(left.values())
