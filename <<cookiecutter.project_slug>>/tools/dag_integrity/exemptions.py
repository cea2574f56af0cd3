"""Takes out of the findings what is exempt, and finds fault with the exemptions themselves."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable

from .findings import Finding
from .policy import Exemption, Policy
from .rules import RULES
from .source import Comment

HOW = "Write # dag-integrity: ignore[rule] and the reason"


def apply_exemptions(
    findings: Iterable[Finding], comments: dict[str, list[Comment]], policy: Policy, complete: set[str]
) -> list[Finding]:
    """The findings that remain, with those about the exemptions.

    `comments` has the exemption comments of each file. An exemption that exempts nothing is stale; that is
    said only of the files in `complete`, which could be checked by every rule.
    """
    left, used = [], set()
    for finding in findings:
        exempt_by = [c for c in comments.get(finding.file, ()) if _covers(c, finding)]
        exempt_by += [entry for entry in policy.exempt if _entry_covers(entry, finding)]
        used.update((exemption, finding.rule) for exemption in map(_key, exempt_by))
        if not exempt_by:
            left.append(finding)
    for file, in_file in comments.items():
        for comment in in_file:
            left += _faults(file, comment, used, file in complete)
    for entry in policy.exempt:
        if entry.rule not in RULES:
            left.append(
                Finding("pyproject.toml", entry.line, "exemption", f"There is no rule {entry.rule}", _rules())
            )
        elif (_key(entry), entry.rule) not in used:
            wrong = f"exempt: {entry.rule} of {entry.dag or entry.file or 'all'} exempts nothing"
            left.append(Finding("pyproject.toml", entry.line, "exemption", wrong, "Take it out"))
    return left


def _key(exemption: Comment | Exemption) -> tuple:
    """What tells exemptions apart (a comment's list of rules cannot be hashed)."""
    return (
        (*vars(exemption).values(),) if isinstance(exemption, Exemption) else (exemption.at, exemption.reason)
    )


def _covers(comment: Comment, finding: Finding) -> bool:
    return bool(comment.reason) and finding.rule in comment.rules and comment.line in (None, finding.line)


def _entry_covers(entry: Exemption, finding: Finding) -> bool:
    return (
        entry.rule == finding.rule
        and fnmatch.fnmatch(finding.dag_id, entry.dag or "*")
        and fnmatch.fnmatch(finding.file, entry.file or "*")
    )


def _faults(file: str, comment: Comment, used: set[tuple], complete: bool) -> list[Finding]:
    def fault(wrong: str, write: str) -> Finding:
        return Finding(file, comment.at, "exemption", wrong, write)

    if not comment.rules:
        return [fault("The exemption names no rule", HOW)]
    if not comment.reason:
        return [fault(f"The exemption from {', '.join(comment.rules)} has no reason, and so no effect", HOW)]
    found = []
    for rule in comment.rules:
        if rule not in RULES:
            found.append(fault(f"There is no rule {rule}", _rules()))
        elif complete and (_key(comment), rule) not in used:
            found.append(fault(f"ignore[{rule}] exempts nothing", "Take it out"))
    return found


def _rules() -> str:
    return "Use an id that `python -m tools.dag_integrity --rules` lists"
