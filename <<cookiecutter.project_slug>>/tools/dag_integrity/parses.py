"""Parses files in worker processes, each twice, and asks for more where an answer leaves a doubt."""

from __future__ import annotations

import contextlib
import importlib
import os
import re
import sys
import warnings
from pathlib import Path

from .findings import Finding
from .policy import Policy
from .static import Read
from .workers import Death, Job, Pool

# CPU seconds that no DAG file may need, even if it spends them in C where calls are not counted.
MOST_CPU_SECONDS = 2.0


class Parses:
    """The parses of one run: `firsts` has each file's Outcome or Death, `late` what is only known later."""

    def __init__(self, root: Path, dags: Path, policy: Policy) -> None:
        self.root, self.dags, self.policy = root, dags, policy
        self.firsts: dict[Path, object] = {}
        self.seconds: dict[Path, object] = {}
        self.again: dict[Path, dict[bool, object]] = {}
        self.late: dict[Path, list[Finding]] = {}
        self.twice = 0

    def load_airflow(self, paths: list[Path], state: Path) -> None:
        """Import Airflow, and of it what the files import: the DAG processor does so before it forks, too."""
        _set_up_airflow(state, self.dags, self.policy)
        from . import parse

        modules = set()
        for path in paths:
            text = path.read_text(encoding="utf-8", errors="replace")
            modules.update(re.findall(r"^\s*(?:from|import)\s+(airflow\.[\w.]+)", text, re.M))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for module in sorted(modules):
                with contextlib.suppress(Exception):
                    importlib.import_module(module)
        self.empty_cpu_seconds = parse.warm_up()

    def run(self, reads: dict[Path, Read]) -> None:
        """Parse these files, of which it is known what they import."""
        from .parse import Parser

        def make_parser(second: bool) -> Parser:
            return Parser(self.root, self.dags, self.policy, second)

        self.pool = Pool(make_parser, self.policy.time_limit, size=_cores())
        alone = {path: not all(map(_loaded, read.foreign_modules)) for path, read in reads.items()}
        self.reads, self.left_out = reads, []
        seen_of_airflow: set[str] = set()
        for path in sorted(reads, key=lambda path: (alone[path], path)):
            read = reads[path]
            self.pool.add(Job(read.outline, alone=alone[path]))
            if read.may_differ or not read.airflow_names <= seen_of_airflow:
                self.pool.add(Job(read.outline, second=True, alone=alone[path]))
                self.twice += 1
                seen_of_airflow |= read.airflow_names
            else:
                self.left_out.append(path)
        self.pool.run(self._done)

    def _done(self, job: Job, answer) -> None:
        """Take a worker's answer; ask for more where it leaves a doubt."""
        if job.count:
            self._over_budget(job.path, answer)
        elif job.with_json:
            self.again.setdefault(job.path, {})[job.second] = answer
            if len(self.again[job.path]) == 2:
                self._compare_again(job.path)
        else:
            (self.seconds if job.second else self.firsts)[job.path] = answer
            doubtful = self.policy.import_budget * self.empty_cpu_seconds / 2
            if not job.second and not isinstance(answer, Death) and answer.cpu_seconds > doubtful:
                self.pool.add(Job(job.outline, alone=True, count=True))
            if job.path in self.firsts and job.path in self.seconds:
                self._compare(job.path)

    def _compare(self, path: Path) -> None:
        """Compare two parses. Where they differ, parse twice again, in processes that saw no other file."""
        first, second = self.firsts[path], self.seconds[path]
        if isinstance(first, Death):
            return
        if isinstance(second, Death) or first.digests != second.digests:
            outline = self.reads[path].outline
            self.pool.add(Job(outline, alone=True, with_json=True))
            self.pool.add(Job(outline, second=True, alone=True, with_json=True))

    def _compare_again(self, path: Path) -> None:
        first, second = self.again[path][False], self.again[path][True]
        for answer in (first, second):
            if isinstance(answer, Death):
                self.late.setdefault(path, []).append(self.death(path, answer))
                return
        self._unstable(path, first, second)

    def _over_budget(self, path: Path, answer) -> None:
        first = self.firsts[path]
        if isinstance(answer, Death) or isinstance(first, Death) or not first.dags:
            return
        calls, empty = answer.calls
        tasks = sum(dag["tasks"] for dag in first.dags)
        times = calls / empty
        budget = self.policy.import_budget + tasks
        if times <= budget and first.cpu_seconds < MOST_CPU_SECONDS:
            return
        wrong = f"Parsing takes {times:.0f} times the work of an empty DAG file ({first.cpu_seconds:.1f} s)"
        write = f"Move work and imports into tasks (the budget is {budget:g} times)"
        name = path.relative_to(self.root).as_posix()
        self.late.setdefault(path, []).append(Finding(name, 1, "import-budget", wrong, write))

    def _unstable(self, path: Path, first, second) -> None:
        from .unstable import difference

        if not self.reads[path].may_differ:
            # Something of Airflow or a provider is to blame: whoever uses it must be looked at.
            for other in self.left_out:
                self.pool.add(Job(self.reads[other].outline, second=True))
            self.left_out = []
        name = path.relative_to(self.root).as_posix()
        lines = {dag["dag_id"]: dag["line"] for dag in first.dags}
        known = {finding.dag_id for finding in first.findings if finding.rule == "serialization"}
        for dag_id in sorted((set(first.digests) | set(second.digests)) - known):
            wrong = difference(dag_id, first.serialized.get(dag_id), second.serialized.get(dag_id))
            if wrong:
                write = "Write sorted(…) around sets and listings; leave clock, random and ids to the tasks"
                line = lines.get(dag_id, 1)
                self.late.setdefault(path, []).append(Finding(name, line, "unstable", wrong, write, dag_id))

    def read_by_modules(self) -> list[str]:
        """What modules of the DAG folder read of it when they were imported."""
        return sorted({path for first in self.firsts.values() for path in first.read_by_modules})

    def death(self, path: Path, death: Death) -> Finding:
        name = path.relative_to(self.root).as_posix()
        if death.timed_out:
            wrong = f"Importing the file takes longer than {self.policy.time_limit:g} s"
            return Finding(name, 1, "time-limit", wrong, "Move the work into a task")
        wrong = f"Importing the file ends the process ({death.why})"
        return Finding(name, 1, "process-death", wrong, "Take out what ends or crashes Python at import")


def _cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _loaded(module: str) -> bool:
    """Whether `module` is loaded, or is a name in one that is."""
    parent, _, name = module.rpartition(".")
    return module in sys.modules or (parent in sys.modules and hasattr(sys.modules[parent], name))


def _set_up_airflow(state: Path, dags: Path, policy: Policy) -> None:
    """The settings under which DAG files are parsed: a pod's, without a database and without log lines."""
    state.mkdir(parents=True, exist_ok=True)
    # What is set in the shell of the person who calls must not make the findings differ.
    for name in [name for name in os.environ if name.startswith(("AIRFLOW", "ETL_"))]:
        del os.environ[name]
    os.environ.update(
        AIRFLOW_HOME=str(state),
        AIRFLOW__CORE__DAGS_FOLDER=str(dags),
        AIRFLOW__CORE__LOAD_EXAMPLES="False",
        AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT=str(policy.time_limit),
        AIRFLOW__CORE__DAGBAG_IMPORT_ERROR_TRACEBACKS="True",
        AIRFLOW__CORE__DAGBAG_IMPORT_ERROR_TRACEBACK_DEPTH="100",
        AIRFLOW__LOGGING__LOGGING_LEVEL="CRITICAL",
        # macOS: its system libraries refuse to work in a forked process otherwise
        OBJC_DISABLE_INITIALIZE_FORK_SAFETY="YES",
        no_proxy="*",
    )
