"""The command line: `python -m dag_integrity`, or `dag-integrity` where it is installed."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import traceback
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from . import baseline
from . import report as forms
from .config import Policy, read_policy
from .engine import check_all, check_files
from .explain import explain
from .init import write_policy
from .model import RULES, UNFINISHED, PolicyError, Report, some
from .rules import load_rules

CANNOT_RUN = 2


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns the exit code, as ruff has it: 0 nothing found, 1 findings, 2 it could not run."""
    options = _options(arguments)
    try:
        return _run(options)
    except PolicyError as error:
        print(error, file=sys.stderr)
    except Exception:  # an exit code of 1 would look like findings
        traceback.print_exc()
        print("The checks have failed themselves: report it with these lines.", file=sys.stderr)
    return CANNOT_RUN


def _run(options: argparse.Namespace) -> int:
    # What is imported below clears the environment.
    on_github, started = bool(os.environ.get("GITHUB_ACTIONS")), time.perf_counter()
    root = options.root.resolve()
    from_here, from_top = forms.below(Path.cwd(), root), forms.below(forms.top_of(root, dict(os.environ)), root)
    _check_files(options)
    if options.init:
        print(write_policy(root))
        return 0
    policy = read_policy(root)
    load_rules(root, policy)
    chosen = _chosen(options)
    if options.rules or options.explain:
        print(explain(options.explain) if options.explain else _list_of_rules())
        return 0
    report = check_files(root, policy, options.files) if options.static else check_all(root, policy)
    if options.dag:
        report = _only(report, options.dag)
    report = report._replace(findings=[one for one in report.findings if one.rule in chosen])
    place = _baseline(root, policy, options)
    if place and (options.update_baseline or not place.exists()):
        return _record(place, report, options)
    if place:
        whole = not (options.static or options.dag or options.select or options.ignore)
        report = baseline.only_new(report, baseline.read(place), whole)
    _write(report, options, from_top)
    if options.table:
        print(forms.table(report), end="\n\n")
    if options.format == "text":
        whole = not options.static and bool(report.files or report.findings)
        last = forms.summary(report, time.perf_counter() - started) if whole else ""
        printed = (forms.all_text if options.all else forms.text)(report, from_here, last)
    else:
        printed = forms.in_form(options.format, report, from_top, own_version())
    if on_github and options.format == "text":
        printed = "\n".join(filter(None, [forms.in_form("github", report, from_top, ""), printed]))
    if printed:
        print(printed)
    return _exit_code(report, policy, options)


def _baseline(root: Path, policy: Policy, options: argparse.Namespace) -> Path | None:
    """The file with what is known: that of the command line, or the policy's."""
    if options.baseline:
        if os.environ.get("CI") and not Path(options.baseline).exists() and not options.update_baseline:
            raise PolicyError(f"There is no {options.baseline}: record it where you work, and commit it.")
        return Path(options.baseline)
    if policy.baseline and not (root / policy.baseline).exists() and not options.update_baseline:
        raise PolicyError(f"There is no {policy.baseline}, the policy's baseline: --update-baseline writes it.")
    if options.update_baseline and not policy.baseline:
        raise PolicyError("--update-baseline needs --baseline FILE, or baseline in [tool.dag-integrity].")
    return root / policy.baseline if policy.baseline else None


def _record(place: Path, report: Report, options: argparse.Namespace) -> int:
    if options.static or options.dag or options.select or options.ignore:
        raise PolicyError("A baseline is of everything: leave --static, --dag, --select and --ignore out.")
    if not report.files:
        raise PolicyError("There is no DAG file: a baseline of nothing would hide nothing.")
    baseline.record(place, report)
    print(f"{len(report.findings):,} findings are in {place}: later runs report what is new, and what has gone.")
    return 0


def _exit_code(report: Report, policy: Policy, options: argparse.Namespace) -> int:
    found = 1 if report.findings and not options.exit_zero else 0
    if report.files:
        return found
    what = "none of the files named is a Python file there" if options.static else "there is no DAG file"
    print(f"Nothing was checked in {some(policy.folders)}: {what}.", file=sys.stderr)
    # pre-commit names all files of a commit; that none of them is a DAG file is no fault
    return found if report.findings or options.static else CANNOT_RUN


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="dag-integrity", description="Check the DAG files.")
    parser.add_argument("files", nargs="*", type=Path, help="with --static: the files to check")
    static = "apply only the rules that import nothing, to these files (pre-commit)"
    parser.add_argument("--static", action="store_true", help=static)
    parser.add_argument("--dag", help="report only on the files of this DAG")
    only = "report only these rules (with commas), and what could not be checked"
    parser.add_argument("--select", type=_names, metavar="RULES", help=only)
    parser.add_argument("--ignore", type=_names, metavar="RULES", default=[], help="do not report these rules")
    parser.add_argument("--exit-zero", action="store_true", help="exit with 0 though something was found")
    form = "what is printed: text for people, the rest for programs"
    parser.add_argument("--format", "--output-format", choices=forms.FORMATS, default="text", help=form)
    parser.add_argument("--all", action="store_true", help="print every finding by itself, not one screen of them")
    known = "report only what is not in this file; where it does not exist, write what is there into it"
    parser.add_argument("--baseline", metavar="FILE", help=known)
    update = "write into the baseline what is there now"
    parser.add_argument("--update-baseline", action="store_true", help=update)
    parser.add_argument("--table", action="store_true", help="print a line per DAG")
    parser.add_argument("--json", type=Path, help="write the report into this file as well")
    parser.add_argument("--gitlab", type=Path, help="write GitLab's code-quality report into this file")
    init = "look at the repository and write a policy into its pyproject.toml"
    parser.add_argument("--init", action="store_true", help=init)
    parser.add_argument("--rules", action="store_true", help="list the rules")
    parser.add_argument("--explain", metavar="RULE", help="say what a rule demands, with an example")
    parser.add_argument("--version", action="version", version=f"dag-integrity {own_version()}")
    parser.add_argument("--root", type=Path, default=Path(), help="the repository (default: this folder)")
    return parser.parse_args(arguments)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _check_files(options: argparse.Namespace) -> None:
    if options.static and not (options.files and all(path.is_file() for path in options.files)):
        missing = ", ".join(str(path) for path in options.files if not path.is_file()) or "no file was named"
        raise PolicyError(f"--static checks the files that it is given: {missing}")
    if options.files and not options.static:
        raise PolicyError("Files are named with --static only; --dag NAME reports on those of one DAG.")


def _chosen(options: argparse.Namespace) -> set[str]:
    """The rules that are reported; those without which the others saw nothing unless they are named."""
    for option in ("select", "ignore"):
        for name in getattr(options, option) or ():
            if name not in RULES:
                raise PolicyError(f"--{option}: there is no rule {name}; --rules lists them.")
    selected = set(RULES) if options.select is None else {*options.select} | UNFINISHED
    return selected - {*options.ignore}


def _list_of_rules() -> str:
    width = max(map(len, RULES))
    return "\n".join(f"{one.name.ljust(width)}  {one.meaning}" for one in RULES.values())


def own_version() -> str:
    """The version of the distribution; of a folder that is not installed it is not known."""
    try:
        return version("airflow-etl-tools")
    except PackageNotFoundError:
        return "of a checkout"


def _write(report: Report, options: argparse.Namespace, from_top: str) -> None:
    """Write the files that the options ask for."""
    if options.json:
        options.json.write_text(json.dumps(forms.content(report)), encoding="utf-8")
    if options.gitlab:
        options.gitlab.parent.mkdir(parents=True, exist_ok=True)
        options.gitlab.write_text(forms.in_form("gitlab", report, from_top, ""), encoding="utf-8")


def _only(report: Report, dag_id: str) -> Report:
    dags = [dag for dag in report.dags if dag["dag_id"] == dag_id]
    files = {dag["file"] for dag in dags} | {file for file in report.files if Path(file).stem == dag_id}
    if not dags:  # any finding may be why it is not there: of a module that it imports, for example
        if not report.findings:
            raise PolicyError(f"There is no DAG {dag_id}; --table lists the DAGs.")
        return report
    not_parsed = tuple(name for name in report.not_parsed if name in files)
    return Report([one for one in report.findings if one.file in files], dags, sorted(files), not_parsed)
