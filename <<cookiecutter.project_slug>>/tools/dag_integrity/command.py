"""The command line of the checks."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path

from .exemptions import apply_exemptions
from .policy import PolicyError, read_policy
from .rules import RULES
from .source import Source
from .static import read_files

ROOT = Path(__file__).resolve().parent.parent.parent

USAGE = """\
python -m tools.dag_integrity                 check the DAG folder; exit 1 if anything was found
python -m tools.dag_integrity --table         print the DAGs as a table, then the findings
python -m tools.dag_integrity --dag orders    report only on the files of DAG orders
python -m tools.dag_integrity --static FILE…  only the rules that import nothing, on these files (pre-commit)
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
    parser.add_argument("--no-cache", action="store_true", help="parse also what has not changed")
    parser.add_argument("--rules", action="store_true", help="list the rules")
    parser.add_argument("--root", type=Path, default=ROOT, help="the repository (default: this one)")
    options = parser.parse_args(arguments)
    if options.rules:
        width = max(map(len, RULES))
        print("\n".join(f"{rule.ljust(width)}  {text}" for rule, text in RULES.items()))
        return 0
    try:
        return _static(options) if options.static else _check(options)
    except PolicyError as error:
        print(error, file=sys.stderr)
        return 2


def _static(options: argparse.Namespace) -> int:
    """Apply the import-free rules to some files. Files outside the DAG folder are left alone."""
    root = options.root.resolve()
    policy = read_policy(root / "pyproject.toml")
    dags = root / policy.dags_folder
    paths = sorted({path.resolve() for path in options.files if path.suffix == ".py"})
    paths = [path for path in paths if dags in path.parents]
    # What Airflow parses is not known without Airflow: a file that makes no DAG counts as a helper module.
    helpers = [path for path in paths if not Source(path).dag_calls]
    reads = read_files([path for path in paths if path not in helpers], helpers, root, dags, policy)
    findings = [finding for read in reads.values() for finding in read.findings]
    comments = {path.relative_to(root).as_posix(): read.exemptions for path, read in reads.items()}
    left = apply_exemptions(findings, comments, policy, complete=set())
    return _print([finding for finding in sorted(set(left)) if finding.file != "pyproject.toml"])


def _check(options: argparse.Namespace) -> int:
    from .check import Check
    from .reports import summary, table, write_gitlab_report

    started = time.perf_counter()
    report = Check(options.root, use_cache=not options.no_cache).run()
    if options.dag:
        report.dags = [dag for dag in report.dags if dag["dag_id"] == options.dag]
        files = {dag["file"] for dag in report.dags} | {
            f for f in report.files if Path(f).stem == options.dag
        }
        report.findings = [finding for finding in report.findings if finding.file in files]
        report.files = sorted(files)
        if not files:
            print(f"There is no DAG {options.dag}. `make dags` lists the DAGs.", file=sys.stderr)
            return 2
    if options.json:
        content = {"files": report.files, "dags": report.dags, "parsed": report.parsed}
        content["findings"] = [finding.as_dict() | {"text": str(finding)} for finding in report.findings]
        options.json.write_text(json.dumps(content), encoding="utf-8")
    if options.gitlab:
        write_gitlab_report(report.findings, options.gitlab)
    if options.table:
        print(table(report), end="\n\n")
    code = _print(report.findings)
    print(summary(report, time.perf_counter() - started))
    return code


def _print(findings: list) -> int:
    from .reports import github_annotation

    for finding in findings:
        print(finding)
    if os.environ.get("GITHUB_ACTIONS"):
        print("\n".join(map(github_annotation, findings)))
    return 1 if findings else 0
