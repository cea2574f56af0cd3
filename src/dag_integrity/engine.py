"""Checks a DAG folder: reads each file, parses it twice in forked processes, and gathers what was found.

Airflow is imported once and processes are forked from that. One kind parses a file as a pod does and applies
the rules; the other parses it where all that may differ does differ (`sandbox/perturb.py`). A process does many files
and forgets each. Whatever is doubtful is done again in a fresh process by itself, and only that counts: so a
finding depends neither on other files nor on how busy the machine is.
"""

from __future__ import annotations

import dataclasses
import gc
import importlib.machinery
import os
import sys
import tempfile
from collections.abc import Iterator
from functools import cache
from multiprocessing import Pipe, get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from .causes import one_line_each
from .config import Policy, installed_airflow, numbers
from .discovery import list_folder
from .exempt import apply_exemptions
from .facts import Facts
from .model import RULES, UNFINISHED, Finding, PolicyError, Report, apply, finding
from .pool import Pool
from .ruff import Ruff
from .rules import load_packaged
from .rules.files import EVERYWHERE, heavy_module
from .source import Source
from .static import read

TRIES = 3


class Check:
    """One run over a repository."""

    def __init__(self, root: Path, policy: Policy) -> None:
        load_packaged()
        if policy.dags_folder not in policy.folders:
            policy = dataclasses.replace(policy, dags_folder=policy.folders[0])
        self.root, self.policy, self.dags = root, policy, root / policy.dags_folder
        # Files that another run looks at, too: what is stale is not known here
        self.others = {"pyproject.toml"} if len(policy.folders) > 1 else set()
        self.plain: dict[Path, Any] = {}  # Facts, or how the process ended
        self.perturbed: dict[Path, Any] = {}
        self.reads: dict[Path, Source] = {}

    def run(self) -> Report:
        """All checks of the whole folder."""
        folder = list_folder(self.dags, self.policy.environment)
        ruff = Ruff([*folder.dag_files, *folder.others], self.policy.python)
        # Airflow and syntax trees are no garbage; the collector would look through them all the time.
        gc.disable()
        self.reads = {path: read(path, self.root, self.policy) for path in folder.others}
        if folder.dag_files:
            from .sandbox.environment import load_airflow

            load_airflow([*folder.dag_files, *folder.others], self.root, self.policy)
            from .sandbox.canary import try_canary

            try_canary(self.policy)
            self._parse(folder.dag_files)
        parsed = {*folder.dag_files}.union(*map(self._closure, folder.dag_files))
        findings = [*self._file_findings(parsed), *ruff.findings(self.reads)]
        dags = []
        for path in folder.dag_files:
            findings += self._parse_findings(path)
            first = self.plain[path]
            ms = round(getattr(first, "seconds", 0) * 1000)
            for dag in getattr(first, "dags", ()):
                dags.append(dag | {"file": self._name(path), "milliseconds": ms})
        dags.sort(key=lambda dag: (dag["file"], dag["dag_id"]))
        not_parsed = [one for one in folder.dag_files if getattr(self.plain[one], "import_failed", True)]
        unfinished = {one.file for one in findings if one.rule in UNFINISHED}
        unfinished |= {*map(self._name, not_parsed)}
        folder.complete(self.root, self.policy, dags, self.reads, unfinished)
        for rule, problem in apply("folder", folder, self.policy):
            file = problem.file or self.policy.dags_folder
            findings.append(finding(rule.name, file, problem.at or 1, problem.wrong, problem.cure))
        try_own_rules(self.policy)
        names = [[self._name(path) for path in paths] for paths in (folder.dag_files, not_parsed)]
        return Report(self._left(findings, unfinished), dags, names[0], tuple(names[1]))

    def run_static(self, paths: list[Path]) -> Report:
        """The rules that import nothing, on these files; those outside the DAG folder are left alone."""
        paths = sorted({path.resolve() for path in paths if path.suffix == ".py" and path.is_file()})
        paths = [path for path in paths if self.dags in path.parents]
        ruff = Ruff(paths, self.policy.python, alone=True)
        self.reads = {path: read(path, self.root, self.policy) for path in paths}
        # What Airflow parses is not known without Airflow: a file without a DAG counts as a helper module.
        findings = self._file_findings({path for path in paths if self.reads[path].dag_calls})
        findings = [*findings, *ruff.findings(self.reads)]
        names = [*map(self._name, paths)]
        return Report(self._left(findings, {*names, "pyproject.toml"}), [], names)

    def _left(self, findings: list[Finding], unfinished: set[str]) -> list[Finding]:
        """What is left when exemptions and repetitions are taken out."""
        exemptions = [one for source in self.reads.values() for one in source.exemptions] + self.policy.exempt
        silent = [name for name, rule in RULES.items() if not self.policy.applies(rule)]
        left = apply_exemptions(set(findings), exemptions, silent, unfinished | self.others)
        return sorted(one_line_each(left))

    def _name(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()

    def _file_findings(self, parsed: set[Path]) -> list[Finding]:
        """What reading found in the files that are parsed; in others what holds for all."""
        found = [(path, one) for path, source in self.reads.items() for one in source.findings]
        return [one for path, one in found if path in parsed or one.rule in (*EVERYWHERE, "import-error")]

    def _parse(self, paths: list[Path]) -> None:
        """Parse each file, and again where that may make a difference; what is doubtful once more, alone."""
        from .sandbox.parse import Parser

        def run(kind: str, files: list[Path], size: int = _cores(), fresh: bool = False) -> Iterator[tuple[Path, Any]]:
            make = lambda: Parser(self.root, self.policy, kind == "perturbed", fresh).parse  # noqa: E731
            return Pool(make, size, self.policy.time_limit, fresh).run(files)

        gc.freeze()
        self.plain |= run("plain", paths)
        for path, first in self.plain.items():
            self.reads[path] = getattr(first, "source", None) or read(path, self.root, self.policy)
        alike = {path for path in paths if self._is_deterministic(path)}
        self.perturbed = {path: self.plain[path] for path in alike}
        self.perturbed |= run("perturbed", [one for one in paths if not (one in alike or self._failed(one))])
        doubtful = [path for path in paths if self._doubtful(path)]
        self.plain |= run("plain", doubtful, fresh=True)
        self.perturbed |= run("perturbed", [one for one in doubtful if not self._failed(one)], fresh=True)
        # Of one that seems slow the quickest parse counts, with the machine to itself.
        for _ in range(TRIES):
            slow = [path for path in paths if self._over_budget(path)]
            for path, again in run("plain", slow, size=1, fresh=True):
                if isinstance(again, Facts):
                    self.plain[path].seconds = min(again.seconds, self.plain[path].seconds)

    def _is_deterministic(self, path: Path) -> bool:
        """Whether two parses cannot differ: nor can its modules, which no installed module stands before."""
        files = {path, *self._closure(path)}
        return all(
            self.reads[one].deterministic
            and self.reads[one].own_modules <= files
            and not (one != path and _is_installed(one.relative_to(self.dags).parts[0].removesuffix(".py")))
            for one in files
        )

    def _over_budget(self, path: Path) -> bool:
        """Whether importing the file took too long, which a heavy import explains."""
        first = self.plain[path]
        if isinstance(first, str) or first.timed_out or first.heavy or self._names_heavy(path):
            return False
        return bool(first.seconds > self.policy.import_budget)

    def _names_heavy(self, path: Path) -> bool:
        """Whether the file, or a module of the folder that it imports, imports a heavy module by name."""
        named = [i.module for one in (path, *self._closure(path)) for i in self.reads[one].imports]
        return any(heavy_module(module, self.policy) for module in named)

    def _doubtful(self, path: Path) -> bool:
        first, second = self.plain[path], self.perturbed.get(path, "")
        return self._failed(path) or isinstance(second, str) or first.serialized != second.serialized

    def _failed(self, path: Path) -> bool:
        """Whether the file could not be parsed, also by the fault of a module that it imports."""
        first = self.plain[path]
        if isinstance(first, str):
            return True
        return first.import_failed and any(one.rule in UNFINISHED for one in first.findings)

    def _parse_findings(self, path: Path) -> Iterator[Finding]:
        first = self.plain[path]
        second, name = self.perturbed.get(path, first), self._name(path)
        for answer in (first, second):
            if answer == "":
                wrong = f"Importing the file takes longer than {self.policy.time_limit:g} s"
                yield finding("time-limit", name, 1, wrong)
            elif isinstance(answer, str):
                yield finding("process-death", name, 1, f"Importing the file ends the process ({answer})")
            if isinstance(answer, str):
                return
        broken = any(self.reads[one].error for one in (path, *self._closure(path)))  # as reading has found
        yield from (one for one in first.findings if not (broken and one.rule == "import-error"))
        if first.heavy and not self._names_heavy(path):  # or reading has found it
            heavy, line = first.heavy[0]
            write = "Import what brings it in inside the task"
            yield finding("heavy-import", name, line, f"Parsing the file imports {heavy} each time", write)
        elif self._over_budget(path):
            budget = f"the budget is {self.policy.import_budget:g} s"
            wrong = f"Importing the file takes {first.seconds:.1f} s; {budget}"
            yield finding("import-budget", name, 1, wrong)
        if first.serialized != second.serialized and not second.timed_out:
            from .sandbox.parse import difference

            lines = {dag["dag_id"]: dag["line"] for dag in first.dags}
            for dag_id in sorted(set(first.serialized) | set(second.serialized)):
                wrong = difference(dag_id, first.serialized.get(dag_id), second.serialized.get(dag_id))
                if wrong:
                    yield finding("unstable", name, lines.get(dag_id, 1), wrong, dag_id=dag_id)

    def _closure(self, path: Path) -> set[Path]:
        """The modules of the DAG folder that are imported with this file."""
        found: set[Path] = set()
        pending = [path]
        while pending:
            for module in self.reads[pending.pop()].own_modules - found:
                if module in self.reads:
                    found.add(module)
                    pending.append(module)
        return found


def check_all(root: Path, policy: Policy) -> Report:
    """All checks of each DAG folder; of several each in a process of its own, as each is an Airflow of its own."""
    _compare_versions(policy)
    if len(policy.folders) == 1:
        return Check(root, policy).run()
    reports = []
    for folder in policy.folders:
        here, there = Pipe(duplex=False)
        one = dataclasses.replace(policy, dags_folder=folder)
        process = get_context("fork").Process(target=_check_one, args=(there, root, one))
        process.start()
        there.close()
        try:
            answer = here.recv()
        except EOFError:
            process.join()
            answer = PolicyError(f"The checks of {folder} ended by themselves (exit code {process.exitcode}).")
        process.join()
        if isinstance(answer, Exception):
            raise answer
        reports.append(answer)
    return joined(reports)


def _check_one(pipe: Connection, root: Path, policy: Policy) -> None:
    try:
        answer: Report | PolicyError = Check(root, policy).run()
    except PolicyError as error:
        answer = error
    pipe.send(answer)


def check_files(root: Path, policy: Policy, paths: list[Path]) -> Report:
    """The rules that import nothing, on these files of any of the DAG folders."""
    folders = [dataclasses.replace(policy, dags_folder=folder) for folder in policy.folders]
    return joined([Check(root, one).run_static(paths) for one in folders])


def joined(reports: list[Report]) -> Report:
    """Several reports as one."""
    findings = sorted({one for report in reports for one in report.findings})
    dags = [dag for report in reports for dag in report.dags]
    files = [file for report in reports for file in report.files]
    return Report(findings, dags, files, tuple(name for report in reports for name in report.not_parsed))


def _compare_versions(policy: Policy) -> None:
    """Another Airflow than the repository's would find faults that it has not."""
    here, there = installed_airflow(), policy.airflow_version
    if here and there and numbers(here)[0] != numbers(there)[0]:
        wrong = f"airflow-version in [tool.dag-integrity] is {there}, and Airflow {here} is installed here"
        raise PolicyError(f"{wrong}: run the checks by a Python that has {there}, or change it.")


def try_own_rules(policy: Policy) -> None:
    """Try the examples of the repository's own rules: each speaks of the broken one, not of the fixed one."""
    own = [rule for rule in RULES.values() if rule.broken]
    there = dataclasses.replace(policy, dags_folder=".", dags_folders=[], own_rules="", off=[], exempt=[])
    for kind in ("broken", "fixed") if policy.own_rules else ():
        with tempfile.TemporaryDirectory() as folder:
            for rule in own:
                Path(folder, f"{rule.name}.py").write_text(getattr(rule, kind), encoding="utf-8")
            findings = Check(Path(folder).resolve(), there).run().findings
        for one in findings:
            if one.rule == "not-checked":
                raise PolicyError(f"{policy.own_rules}: {one.wrong}.")
        found = {(one.file, one.rule) for one in findings}
        for rule in own:
            if ((f"{rule.name}.py", rule.name) in found) is not (kind == "broken"):
                wrong = "says nothing of" if kind == "broken" else "still finds something in"
                raise PolicyError(f"{policy.own_rules}: {rule.name} {wrong} its {kind} example.")


@cache
def _is_installed(module: str) -> bool:
    """Whether there is a module of this name outside the DAG folder."""
    known = module in sys.modules or module in sys.stdlib_module_names
    return known or importlib.machinery.PathFinder.find_spec(module) is not None


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
