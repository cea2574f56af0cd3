"""The findings for people and for CI: GitHub's annotations, GitLab's report, the table of DAGs."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from pathlib import Path

from .check import Report
from .findings import Finding


def summary(report: Report, seconds: float) -> str:
    """The last line."""
    files = len({finding.file for finding in report.findings})
    found = f"{len(report.findings)} findings in {files} files" if report.findings else "no findings"
    parsed = f"{report.parsed} parsed, {report.parsed_twice} of them twice"
    checked = f"{len(report.dags)} DAGs in {len(report.files)} files ({parsed})"
    return f"{checked}: {found}, {seconds:.1f} s"


def github_annotation(finding: Finding) -> str:
    """The workflow command that puts the finding on the pull request's line."""
    message = f"{finding.wrong}. {finding.write}."
    for sign, escaped in (("%", "%25"), ("\r", "%0D"), ("\n", "%0A")):
        message = message.replace(sign, escaped)
    return f"::error file={finding.file},line={finding.line},title={finding.rule}::{message}"


def write_gitlab_report(findings: list[Finding], path: Path) -> None:
    """A code-quality report as GitLab reads it from `artifacts: reports: codequality:`."""
    entries = []
    seen: Counter[str] = Counter()
    for finding in findings:
        # Without the line, so that a finding stays the same when lines above it change
        what = f"{finding.file}:{finding.rule}:{finding.wrong}"
        seen[what] += 1
        entries.append(
            {
                "description": f"{finding.wrong}. {finding.write}.",
                "check_name": finding.rule,
                "fingerprint": hashlib.sha256(f"{what}:{seen[what]}".encode()).hexdigest(),
                "severity": "major",
                "location": {"path": finding.file, "lines": {"begin": finding.line}},
            }
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(entries, indent=2), encoding="utf-8")


def table(report: Report) -> str:
    """A line per DAG: DAG, file, schedule, tasks, milliseconds of the last parse, findings."""
    found: dict[str, int] = {}
    for finding in report.findings:
        found[finding.file] = found.get(finding.file, 0) + 1
    rows = [("DAG", "FILE", "SCHEDULE", "TASKS", "PARSE MS", "FINDINGS")]
    for dag in report.dags:
        cells = (dag["dag_id"], dag["file"], dag["schedule"], dag["tasks"], f"{dag['milliseconds']:.0f}")
        rows.append((*map(str, cells), str(found.get(dag["file"], 0))))
    with_dags = {dag["file"] for dag in report.dags}
    rows += [
        ("-", file, "-", "-", "-", str(found.get(file, 0))) for file in report.files if file not in with_dags
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if column > 2 else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )
