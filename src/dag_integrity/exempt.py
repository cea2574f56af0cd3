"""The exemptions from the rules, and what is left of the findings."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from .model import RULES, Finding, PolicyError, finding


@dataclass(frozen=True)
class Exemption:
    """Rules that a file, line or DAG need not follow, and why; `line` None is the whole file."""

    rules: tuple[str, ...]
    reason: str
    stated_in: str
    stated_at: int
    file: str = "*"
    line: int | None = None
    dag: str = "*"

    def covers(self, one: Finding) -> bool:
        return (
            bool(self.reason)
            and one.rule in self.rules
            and self.line in (None, one.line)
            and fnmatch.fnmatchcase(one.file, self.file)
            and fnmatch.fnmatchcase(one.dag_id, self.dag)
        )


def exemption_of(entry: dict[str, Any], text: str) -> Exemption:
    """The exemption of an entry of the policy, whose text tells the line."""
    given = entry if isinstance(entry, dict) else {}
    texts = all(isinstance(value, str) and value.strip() for value in given.values())
    if not texts or not {"rule", "reason"} <= set(given) <= {"rule", "reason", "dag", "file"}:
        raise PolicyError(
            f"[tool.dag-integrity] exempt = {entry!r}: write "
            '{ rule = "…", dag = "…", reason = "…" }, or file = "…" instead of dag, with * for anything.'
        )
    at = text[: text.find(entry["reason"])].count("\n") + 1
    where = {key: entry[key] for key in ("dag", "file") if key in entry}
    return Exemption((entry["rule"],), entry["reason"], "pyproject.toml", at, **where)


def apply_exemptions(
    findings: Iterable[Finding], exemptions: list[Exemption], off: list[str], unfinished: set[str]
) -> list[Finding]:
    """The findings that remain, with those about the exemptions themselves.

    An exemption that exempts nothing is stale; that is not said of the files in `unfinished`, which could not
    be checked by every rule.
    """
    left: list[Finding] = []
    used: set[tuple[Exemption, str]] = set()
    for one in findings:
        by = [exemption for exemption in exemptions if exemption.covers(one)]
        used.update((exemption, one.rule) for exemption in by)
        if not by and one.rule not in off:
            left.append(one)
    how = "Write # dag-integrity: ignore[rule] and the reason"

    def fault(exemption: Exemption, wrong: str, cure: str = "") -> None:
        left.append(finding("exemption", exemption.stated_in, exemption.stated_at, wrong, cure))

    for exemption in exemptions:
        names = ", ".join(exemption.rules)
        if not names:
            fault(exemption, "The exemption names no rule", how)
        elif not exemption.reason:
            fault(exemption, f"The exemption from {names} has no reason, and so no effect", how)
        else:
            for name in exemption.rules:
                if name not in RULES:
                    fault(exemption, f"There is no rule {name}", "Use a name that --rules lists")
                elif (exemption, name) not in used and exemption.stated_in not in unfinished:
                    fault(exemption, f"The exemption from {name} exempts nothing")
    return left
