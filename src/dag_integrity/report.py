"""The forms that a report is printed in: text, GitHub, GitLab, SARIF, JSON."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from .model import RULES, SEVERITIES, UNFINISHED, Finding, Report, some

FORMATS = ("text", "github", "gitlab", "sarif", "json")
SCREEN = 30  # lines, the last one among them
NAMED = 3  # files that were not parsed, and findings of the baseline that are gone
SARIF_VERSION = "2.1.0"


def below(base: Path, root: Path) -> str:
    """What stands before a path of the repository `root`, for somebody who reads it from `base`."""
    if root == base or not root.is_relative_to(base):
        return ""
    return f"{root.relative_to(base).as_posix()}/"


def top_of(root: Path, environment: dict[str, str]) -> Path:
    """The folder that a code host counts paths from: what the CI says, or that of git."""
    named = [Path(environment[name]) for name in ("GITHUB_WORKSPACE", "CI_PROJECT_DIR") if environment.get(name)]
    gits = [folder for folder in (root, *root.parents) if (folder / ".git").exists()]
    return next((folder for folder in (*named, *gits) if root.is_relative_to(folder)), root)


def moved(findings: Iterable[Finding], prefix: str) -> list[Finding]:
    """The findings with their paths as they are seen from elsewhere."""
    return [replace(one, file=f"{prefix}{one.file}") for one in findings]


def in_form(form: str, report: Report, prefix: str, version: str) -> str:
    """The report for a machine; `prefix` is what stands before its paths."""
    findings = moved(report.findings, prefix)
    if form == "github":
        return "\n".join(map(github, worst_first(findings)))
    if form == "gitlab":
        return json.dumps(gitlab(findings), indent=2)
    return json.dumps(sarif(findings, version) if form == "sarif" else content(report), indent=2)


def worst_first(findings: Iterable[Finding]) -> list[Finding]:
    """Those first that keep DAGs away, then errors, then warnings."""
    return sorted(findings, key=lambda one: (one.rule not in UNFINISHED, SEVERITIES.index(one.severity), one))


def repeats(findings: list[Finding]) -> list[tuple[Finding, list[Finding]]]:
    """The findings that have one cause in a file, as its first one and all of them."""
    groups: dict[tuple[str, str, str], list[Finding]] = {}
    for one in findings:
        groups.setdefault((one.file, one.rule, one.write), []).append(one)
    return [(group[0], group) for group in groups.values()]


def text(report: Report, prefix: str, last: str) -> str:
    """What fits on a screen, worst first; the rest is counted. `last` is the last line."""
    lines: list[tuple[str, list[Finding]]] = []
    # The same wrong thing in many files is one line, too
    groups: dict[tuple[str, ...], list[tuple[Finding, list[Finding]]]] = {}
    for one, all_of_it in repeats(worst_first(moved(report.findings, prefix))):
        alone = (one.file,) if len(all_of_it) > 1 else ()
        groups.setdefault((one.rule, one.wrong, one.write, *alone), []).append((one, all_of_it))
    for group in groups.values():
        one, all_of_it = group[0]
        if len(group) > 1:
            where = f" (and in {_count(len(group) - 1, 'more file')})"
        else:
            others = list(dict.fromkeys(str(other.line) for other in all_of_it[1:]))
            where = f" (and {len(all_of_it) - 1} more: line {some(others)})" if all_of_it[1:] else ""
        line = f"{one.file}:{one.line}: {one.rule}: {one.wrong}{where}. {one.write}."
        lines.append((line, [other for _, every in group for other in every]))
    tail = [*_few("not parsed", [f"{prefix}{name}" for name in report.not_parsed], "file")]
    tail += [*_few("gone", list(report.gone), "finding"), *([last] if last else [])]
    room = SCREEN - len(tail) - 1
    if len(lines) > room + 1:
        rest = Counter(one.rule for _, group in lines[room:] for one in group)
        kinds = some((f"{name} {number:,}" for name, number in rest.most_common()), 6)
        more = (
            f"… and {_count(rest.total(), 'more finding')} ({kinds}): --all prints each, --select RULE those of a rule"
        )
        lines = [*lines[:room], (more, [])]
    return "\n".join([*(line for line, _ in lines), *tail])


def _few(what: str, names: list[str], kind: str) -> list[str]:
    """A line for each of the first few names, and one for the rest."""
    lines = [f"{what}: {name}" for name in names]
    if len(lines) > NAMED + 1:
        lines = [*lines[:NAMED], f"{what}: {_count(len(lines) - NAMED, f'more {kind}')}"]
    return lines


def all_text(report: Report, prefix: str, last: str) -> str:
    """Every finding by itself, in the order of files and lines."""
    names = [f"not parsed: {prefix}{name}" for name in report.not_parsed]
    names += [f"gone: {name}" for name in report.gone]
    return "\n".join([*map(str, moved(report.findings, prefix)), *names, *([last] if last else [])])


def summary(report: Report, seconds: float) -> str:
    """How much was looked at and found, in one line."""
    files = len({one.file for one in report.findings})
    new = "new " if report.known or report.gone else ""
    number = _count(len(report.findings), f"{new}finding")
    found = f"{number} in {_count(files, 'file')}" if files else f"no {new}findings"
    if new:
        found += f" ({report.known:,} in the baseline, {len(report.gone):,} gone)"
    seen = f"{_count(len(report.dags), 'DAG')} in {_count(len(report.files), 'file')}"
    return f"{seen} ({len(report.not_parsed)} not parsed): {found}, {seconds:.1f} s"


def _count(number: int, name: str) -> str:
    return f"{number:,} {name}{'' if number == 1 else 's'}"


def content(report: Report) -> dict[str, Any]:
    """All that a run found, for programs; paths are those of the repository."""
    found = [asdict(one) | {"severity": one.severity, "text": str(one)} for one in report.findings]
    return {
        "files": report.files, "dags": report.dags, "findings": found, "not_parsed": report.not_parsed,
        "known": report.known, "gone": report.gone,
    }  # fmt: skip


def github(one: Finding) -> str:
    """The workflow command that puts the finding on the pull request's line."""
    message = _escaped(f"{one.wrong}. {one.write}.", {})
    file = _escaped(one.file, {":": "%3A", ",": "%2C"})
    return f"::{one.severity} file={file},line={one.line},title={one.rule}::{message}"


def _escaped(words: str, others: dict[str, str]) -> str:
    for character, code in {"%": "%25", "\r": "%0D", "\n": "%0A", **others}.items():
        words = words.replace(character, code)
    return words


def fingerprints(findings: list[Finding]) -> list[str]:
    """Of each finding what stays the same when lines above it change."""
    seen: Counter[str] = Counter()
    prints = []
    for one in findings:
        what = f"{one.file}:{one.rule}:{one.wrong}"
        seen[what] += 1
        prints.append(hashlib.sha256(f"{what}:{seen[what]}".encode()).hexdigest())
    return prints


def gitlab(findings: list[Finding]) -> list[dict[str, Any]]:
    """A code-quality report as GitLab reads it from `artifacts: reports: codequality:`."""
    return [
        {
            "description": f"{one.wrong}. {one.write}.",
            "check_name": one.rule,
            "severity": {"error": "major", "warning": "minor"}[one.severity],
            "fingerprint": fingerprint,
            "location": {"path": one.file, "lines": {"begin": one.line}},
        }
        for one, fingerprint in zip(findings, fingerprints(findings), strict=True)
    ]


def sarif(findings: list[Finding], version: str) -> dict[str, Any]:
    """The log that GitHub's code scanning, Azure DevOps and editors read."""
    names = sorted({one.rule for one in findings})
    rules = [
        {
            "id": name,
            "shortDescription": {"text": RULES[name].meaning.split("\n")[0]},
            "help": {"text": f"{RULES[name].cure}."},
            "defaultConfiguration": {"level": RULES[name].severity},
        }
        for name in names
    ]
    results = [
        {
            "ruleId": one.rule,
            "ruleIndex": names.index(one.rule),
            "level": one.severity,
            "message": {"text": f"{one.wrong}. {one.write}."},
            "partialFingerprints": {"dagIntegrity/v1": fingerprint},
            "locations": [
                {
                    "physicalLocation": {
                        "artifactLocation": {"uri": quote(one.file), "uriBaseId": "%SRCROOT%"},
                        "region": {"startLine": one.line},
                    }
                }
            ],
        }
        for one, fingerprint in zip(findings, fingerprints(findings), strict=True)
    ]
    driver = {"name": "dag-integrity", "version": version, "rules": rules}
    return {"version": SARIF_VERSION, "runs": [{"tool": {"driver": driver}, "results": results}]}


def table(report: Report) -> str:
    """A line per DAG: DAG, file, schedule, tasks, milliseconds of the parse, findings of the file."""
    found = Counter(one.file for one in report.findings)
    rows: list[tuple[str, ...]] = [("DAG", "FILE", "SCHEDULE", "TASKS", "PARSE MS", "FINDINGS")]
    keys = ("dag_id", "file", "schedule", "tasks", "milliseconds")
    rows += [(*(str(dag[key]) for key in keys), str(found[dag["file"]])) for dag in report.dags]
    with_dags = {dag["file"] for dag in report.dags}
    rows += [("-", file, "-", "-", "-", str(found[file])) for file in report.files if file not in with_dags]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    line = "  ".join(f"{{:{'<' if i < 3 else '>'}{width}}}" for i, width in enumerate(widths))
    return "\n".join(line.format(*row).rstrip() for row in rows)
