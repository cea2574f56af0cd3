"""The command line: `python -m tools.dag_integrity`, or `dag-integrity` where it is installed."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import time
from collections import Counter
from pathlib import Path

from . import RULES, Finding
from .engine import Check, Report, one_line_each, read
from .file_rules import EVERYWHERE, Ruff
from .policy import PolicyError, apply_exemptions, read_policy

USAGE = """\
dag_integrity                 check the DAG folder; exit 1 if anything was found
dag_integrity --table         print the DAGs as a table, then the findings
dag_integrity --dag orders    report only on the files of DAG orders
dag_integrity --static FILE…  only the rules that import nothing, on these files (pre-commit)
"""


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns the exit code: 0 nothing found, 1 findings, 2 the checks could not run."""
    parser = argparse.ArgumentParser(prog="dag_integrity", usage=USAGE, description="Check the DAG files.")
    parser.add_argument("files", nargs="*", type=Path, help="with --static: the files to check")
    parser.add_argument("--static", action="store_true", help="apply only the rules that import nothing")
    parser.add_argument("--dag", help="report only on the files of this DAG")
    parser.add_argument("--table", action="store_true", help="print a line per DAG")
    parser.add_argument("--json", type=Path, help="write the report into this file as well")
    parser.add_argument("--gitlab", type=Path, help="write GitLab's code-quality report into this file")
    parser.add_argument("--rules", action="store_true", help="list the rules")
    parser.add_argument("--root", type=Path, default=Path(), help="the repository (default: this folder)")
    options = parser.parse_args(arguments)
    started = time.perf_counter()
    try:
        root = options.root.resolve()
        policy = read_policy(root)
        if options.rules:
            width = max(map(len, RULES))
            print("\n".join(f"{r.name.ljust(width)}  {r.meaning}" for r in RULES.values()))
            return 0
        report = _static(root, policy, options.files) if options.static else Check(root, policy).run()
        if options.dag:
            report = _only(report, options.dag)
    except PolicyError as error:
        print(error, file=sys.stderr)
        return 2
    if options.json:
        found = [one.as_dict() for one in report.findings]
        content = {"files": report.files, "dags": report.dags, "findings": found}
        options.json.write_text(json.dumps(content), encoding="utf-8")
    if options.gitlab:
        options.gitlab.parent.mkdir(parents=True, exist_ok=True)
        options.gitlab.write_text(json.dumps(_gitlab(report.findings), indent=2), encoding="utf-8")
    if options.table:
        print(_table(report), end="\n\n")
    for one in report.findings:
        print(one)
        if os.environ.get("GITHUB_ACTIONS"):
            print(_github(one))
    if not options.static:
        print(_summary(report, time.perf_counter() - started))
    return 1 if report.findings else 0


def _static(root: Path, policy, files: list[Path]) -> Report:
    """Apply the import-free rules to some files. Files outside the DAG folder are left alone."""
    dags = root / policy.dags_folder
    paths = sorted({path.resolve() for path in files if path.suffix == ".py" and path.is_file()})
    paths = [path for path in paths if dags in path.parents]
    ruff = Ruff(paths, root, policy.python)
    reads = {path: read(path, root, policy) for path in paths}
    # What Airflow parses is not known without Airflow: a file that makes no DAG counts as a helper module.
    found = [
        one
        for outcome in reads.values()
        for one in outcome.findings
        if outcome.dag_calls or one.rule in (*EVERYWHERE, "import-error")
    ]
    found += ruff.findings()
    comments = [comment for outcome in reads.values() for comment in outcome.exemptions]
    everything = {path.relative_to(root).as_posix() for path in paths} | {"pyproject.toml"}
    left = apply_exemptions(set(found), comments, policy, everything)
    return Report(sorted(one_line_each(left)), [], [])


def _only(report: Report, dag_id: str) -> Report:
    dags = [dag for dag in report.dags if dag["dag_id"] == dag_id]
    files = {dag["file"] for dag in dags} | {file for file in report.files if Path(file).stem == dag_id}
    if not files:
        raise PolicyError(f"There is no DAG {dag_id}; --table lists the DAGs.")
    return Report([one for one in report.findings if one.file in files], dags, sorted(files))


def _summary(report: Report, seconds: float) -> str:
    def count(number: int, name: str) -> str:
        return f"{number:,} {name}{'' if number == 1 else 's'}"

    files = len({one.file for one in report.findings})
    found = f"{count(len(report.findings), 'finding')} in {count(files, 'file')}" if files else "no findings"
    return f"{count(len(report.dags), 'DAG')} in {count(len(report.files), 'file')}: {found}, {seconds:.1f} s"


def _github(one: Finding) -> str:
    """The workflow command that puts the finding on the pull request's line."""
    message = f"{one.wrong}. {one.write}."
    for sign, escaped in (("%", "%25"), ("\r", "%0D"), ("\n", "%0A")):
        message = message.replace(sign, escaped)
    return f"::error file={one.file},line={one.line},title={one.rule}::{message}"


def _gitlab(findings: list[Finding]) -> list[dict]:
    """A code-quality report as GitLab reads it from `artifacts: reports: codequality:`."""
    entries = []
    seen: Counter[str] = Counter()
    for one in findings:
        # Without the line, so that a finding stays the same when lines above it change
        what = f"{one.file}:{one.rule}:{one.wrong}"
        seen[what] += 1
        entries.append(
            {
                "description": f"{one.wrong}. {one.write}.",
                "check_name": one.rule,
                "fingerprint": hashlib.sha256(f"{what}:{seen[what]}".encode()).hexdigest(),
                "severity": "major",
                "location": {"path": one.file, "lines": {"begin": one.line}},
            }
        )
    return entries


def _table(report: Report) -> str:
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


if __name__ == "__main__":
    sys.exit(main())
