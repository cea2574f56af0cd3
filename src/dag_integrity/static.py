"""What is found in a file without importing anything."""

from __future__ import annotations

import sys
from pathlib import Path

from .config import Policy
from .determinism import is_deterministic
from .model import apply, finding
from .source import Source


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
    for rule, problem in apply("file", source, policy):
        source.findings.append(finding(rule.name, source.name, problem.at or 1, problem.wrong, problem.cure))
    source.deterministic = is_deterministic(source)
    return source
