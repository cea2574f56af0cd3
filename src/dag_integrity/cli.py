"""The command line: `python -m dag_integrity`, or `dag-integrity` where it is installed."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from dataclasses import asdict
from pathlib import Path

from . import report as forms
from .config import read_policy
from .engine import Check
from .model import RULES, PolicyError, Report
from .rules import load_rules


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns the exit code: 0 nothing found, 1 findings, 2 the checks could not run."""
    options = _options(arguments)
    if options.static and not (options.files and all(path.is_file() for path in options.files)):
        missing = ", ".join(str(path) for path in options.files if not path.is_file()) or "no file was named"
        print(f"--static checks the files that it is given: {missing}", file=sys.stderr)
        return 2
    if options.files and not options.static:
        print("Files are named with --static only; --dag NAME reports on those of one DAG.", file=sys.stderr)
        return 2
    on_github = bool(os.environ.get("GITHUB_ACTIONS"))  # what is imported below has no such variable
    started = time.perf_counter()
    try:
        root = options.root.resolve()
        policy = read_policy(root)
        load_rules(root, policy)
        if options.rules:
            width = max(map(len, RULES))
            print("\n".join(f"{r.name.ljust(width)}  {r.meaning}" for r in RULES.values()))
            return 0
        check = Check(root, policy)
        report = check.run_static(options.files) if options.static else check.run()
        if options.dag:
            report = _only(report, options.dag)
    except PolicyError as error:
        print(error, file=sys.stderr)
        return 2
    _write(report, options)
    if options.table:
        print(forms.table(report), end="\n\n")
    for one in report.findings:
        print(one)
        if on_github:
            print(forms.github(one))
    if not options.static and (report.files or report.findings):
        for name in report.not_parsed:
            print(f"not parsed: {name}")
        print(forms.summary(report, time.perf_counter() - started))
    if not report.files:
        what = "none of the files named is a Python file there" if options.static else "there is no DAG file"
        print(f"Nothing was checked in {policy.dags_folder}: {what}.", file=sys.stderr)
        # pre-commit names all files of a commit; that none of them is a DAG file is no fault
        return 1 if report.findings else 0 if options.static else 2
    return 1 if report.findings else 0


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="dag_integrity", description="Check the DAG files.")
    parser.add_argument("files", nargs="*", type=Path, help="with --static: the files to check")
    static = "apply only the rules that import nothing, to these files (pre-commit)"
    parser.add_argument("--static", action="store_true", help=static)
    parser.add_argument("--dag", help="report only on the files of this DAG")
    parser.add_argument("--table", action="store_true", help="print a line per DAG")
    parser.add_argument("--json", type=Path, help="write the report into this file as well")
    parser.add_argument("--gitlab", type=Path, help="write GitLab's code-quality report into this file")
    parser.add_argument("--rules", action="store_true", help="list the rules")
    parser.add_argument("--root", type=Path, default=Path(), help="the repository (default: this folder)")
    return parser.parse_args(arguments)


def _write(report: Report, options: argparse.Namespace) -> None:
    """Write the files that the options ask for."""
    if options.json:
        found = [asdict(one) | {"text": str(one)} for one in report.findings]
        content = {"files": report.files, "dags": report.dags, "findings": found}
        content["not_parsed"] = report.not_parsed
        options.json.write_text(json.dumps(content), encoding="utf-8")
    if options.gitlab:
        options.gitlab.parent.mkdir(parents=True, exist_ok=True)
        options.gitlab.write_text(json.dumps(forms.gitlab(report.findings), indent=2), encoding="utf-8")


def _only(report: Report, dag_id: str) -> Report:
    dags = [dag for dag in report.dags if dag["dag_id"] == dag_id]
    files = {dag["file"] for dag in dags} | {file for file in report.files if Path(file).stem == dag_id}
    if not dags:  # any finding may be why it is not there: of a module that it imports, for example
        if not report.findings:
            raise PolicyError(f"There is no DAG {dag_id}; --table lists the DAGs.")
        return report
    not_parsed = tuple(name for name in report.not_parsed if name in files)
    return Report([one for one in report.findings if one.file in files], dags, sorted(files), not_parsed)
