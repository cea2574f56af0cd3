"""The forms that a report is printed in."""

from __future__ import annotations

import hashlib
from collections import Counter

from .model import Finding, Report


def summary(report: Report, seconds: float) -> str:
    def count(number: int, name: str) -> str:
        return f"{number:,} {name}{'' if number == 1 else 's'}"

    files = len({one.file for one in report.findings})
    found = f"{count(len(report.findings), 'finding')} in {count(files, 'file')}" if files else "no findings"
    seen = f"{count(len(report.dags), 'DAG')} in {count(len(report.files), 'file')}"
    return f"{seen} ({len(report.not_parsed)} not parsed): {found}, {seconds:.1f} s"


def github(one: Finding) -> str:
    """The workflow command that puts the finding on the pull request's line."""
    message = f"{one.wrong}. {one.write}.".replace("%", "%25")
    return f"::error file={one.file},line={one.line},title={one.rule}::{message}"


def gitlab(findings: list[Finding]) -> list[dict]:
    """A code-quality report as GitLab reads it from `artifacts: reports: codequality:`."""
    entries = []
    seen: Counter[str] = Counter()
    for one in findings:
        # Without the line, so that a finding stays the same when lines above it change
        what = f"{one.file}:{one.rule}:{one.wrong}"
        seen[what] += 1
        entry = {"description": f"{one.wrong}. {one.write}.", "check_name": one.rule, "severity": "major"}
        entry["fingerprint"] = hashlib.sha256(f"{what}:{seen[what]}".encode()).hexdigest()
        entry["location"] = {"path": one.file, "lines": {"begin": one.line}}
        entries.append(entry)
    return entries


def table(report: Report) -> str:
    """A line per DAG: DAG, file, schedule, tasks, milliseconds of the parse, findings of the file."""
    found = Counter(one.file for one in report.findings)
    rows = [("DAG", "FILE", "SCHEDULE", "TASKS", "PARSE MS", "FINDINGS")]
    keys = ("dag_id", "file", "schedule", "tasks", "milliseconds")
    rows += [(*(str(dag[key]) for key in keys), str(found[dag["file"]])) for dag in report.dags]
    with_dags = {dag["file"] for dag in report.dags}
    rows += [("-", file, "-", "-", "-", str(found[file])) for file in report.files if file not in with_dags]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    line = "  ".join(f"{{:{'<' if i < 3 else '>'}{width}}}" for i, width in enumerate(widths))
    return "\n".join(line.format(*row).rstrip() for row in rows)
