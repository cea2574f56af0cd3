"""What reading or parsing one file gives."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import Finding, apply, finding
from .policy import Policy
from .source import Source
from .steady import is_steady

BY_WARNING = "Write what the message says"


@dataclass
class Outcome:
    """What parsing a file once gave; it travels from a worker to the main process."""

    source: Source | None = None
    findings: list[Finding] = field(default_factory=list)
    # The facts of each DAG and the DAG itself, serialized or as a digest of that
    dags: list[dict] = field(default_factory=list)
    serialized: dict[str, Any] = field(default_factory=dict)
    heavy: list[tuple[str, int]] = field(default_factory=list)
    seconds: float = 0
    late: bool = False
    # Whether Airflow would show an import error
    refused: bool = False
    # The process holds modules now that other files must not profit from
    spoilt: bool = False


def read(path: Path, root: Path, policy: Policy) -> Source:
    """Read one file and apply the rules that import nothing to it."""
    source = Source(path, root, policy)
    if source.error:
        wrong = f"SyntaxError: {source.error.msg}"
        cure = "Correct the syntax"
        if sys.version_info[:2] < tuple(map(int, policy.python.split("."))):
            here = f"{sys.version_info[0]}.{sys.version_info[1]}"
            wrong += f" (to Python {here}; the image runs {policy.python})"
            cure = f"Correct the syntax, or run the checks with Python {policy.python}"
        source.findings.append(finding("import-error", source.name, source.error.lineno or 1, wrong, cure))
        return source
    for rule, said in apply("file", source, policy):
        source.findings.append(finding(rule.name, source.name, said.at or 1, said.wrong, said.cure))
    source.steady = is_steady(source)
    return source
