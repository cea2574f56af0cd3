"""Checks the whole DAG folder, or what of it has changed, and says what was found."""

from __future__ import annotations

import contextlib
import importlib
import os
import re
import sys
import warnings
from dataclasses import dataclass, field
from pathlib import Path

from dag_integrity.assets import check_assets, check_dag_ids
from dag_integrity.cache import Cache, pack, unpack
from dag_integrity.exemptions import apply_exemptions
from dag_integrity.findings import Finding
from dag_integrity.folder import Folder, list_folder
from dag_integrity.policy import Policy, read_policy
from dag_integrity.source import Comment
from dag_integrity.static import Read, ReadAside, read_files
from dag_integrity.workers import Death, Job, Pool

# A file that failed to import may succeed without a change of its own: it is tried again each time.
NOT_KEPT = {"import-error", "time-limit", "process-death"}
# CPU seconds that no DAG file may need, even if it spends them in C where calls are not counted.
MOST_CPU_SECONDS = 2.0


@dataclass
class Report:
    """What a run found, sorted; `dags` has a row of plain values for each DAG."""

    findings: list[Finding] = field(default_factory=list)
    dags: list[dict] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    parsed: int = 0


class Check:
    """One run over a repository."""

    def __init__(self, root: Path, use_cache: bool = True) -> None:
        self.root = root.resolve()
        pyproject = self.root / "pyproject.toml"
        self.policy: Policy = read_policy(pyproject)
        self.dags = self.root / self.policy.dags_folder
        state = self.root / ".airflow" / "integrity"
        _set_up_airflow(state, self.dags, self.policy)
        self.cache = Cache(state / "cache.json", self.root, f"{self.policy}")
        if not use_cache:
            self.cache.entries = {}
        self.reads: dict[Path, Read] = {}
        self.firsts: dict[Path, object] = {}
        self.seconds: dict[Path, object] = {}
        self.late: dict[Path, list[Finding]] = {}

    def run(self) -> Report:
        """Check every file that changed and report on all."""
        folder = list_folder(self.dags)
        changed = [path for path in folder.dag_files if self.cache.get(path) is None]
        helpers = [path for path in (*folder.skipped, *folder.ignored) if self.cache.get(path) is None]
        if changed:
            aside = ReadAside(changed, helpers, self.root, self.dags, self.policy)
            self._load_airflow(changed)
            self.reads = aside.result()
            self._parse(changed)
        else:
            self.reads = read_files([], helpers, self.root, self.dags, self.policy)
        for path in helpers:
            self.cache.put(path, [], pack(self.reads[path].findings, self.reads[path].exemptions, [], 0))
            self.cache.entries[self.cache._name(path)]["makes_dags"] = self.reads[path].makes_dags
        for path in changed:
            self._keep(path)
        report = self._report(folder, len(changed))
        self.cache.save([*folder.dag_files, *folder.skipped, *folder.ignored])
        return report

    def _load_airflow(self, paths: list[Path]) -> None:
        """Import Airflow, and of it what the files import: the DAG processor does so before it forks, too."""
        from dag_integrity import parse

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

    def _parse(self, paths: list[Path]) -> None:
        from dag_integrity.parse import Parser

        def make_parser(second: bool) -> Parser:
            return Parser(self.root, self.dags, self.policy, second)

        self.pool = Pool(make_parser, self.policy.time_limit, size=len(os.sched_getaffinity(0)))
        alone = {path: self._imports_more(path) for path in paths}
        for path in sorted(paths, key=lambda path: (alone[path], path)):
            self.pool.add(Job(path, alone=alone[path]))
            self.pool.add(Job(path, second=True, alone=alone[path]))
        self.pool.run(self._done)

    def _imports_more(self, path: Path) -> bool:
        """Whether the file imports modules of libraries that Airflow has not loaded."""
        return not all(_loaded(module) for module in self.reads[path].foreign_modules)

    def _done(self, job: Job, answer) -> None:
        """Take a worker's answer; ask for more where it leaves a doubt."""
        if job.count:
            self._over_budget(job.path, answer)
            return
        (self.seconds if job.second else self.firsts)[job.path] = answer
        first, second = self.firsts.get(job.path), self.seconds.get(job.path)
        if not job.second and not isinstance(first, Death):
            doubtful = self.policy.import_budget * self.empty_cpu_seconds / 2
            if first.cpu_seconds > doubtful:
                self.pool.add(Job(job.path, alone=True, count=True))
        if first is None or second is None or isinstance(first, Death):
            return
        if isinstance(second, Death):
            self.late.setdefault(job.path, []).append(self._death(job.path, second))
        elif first.digests != second.digests:
            if job.with_json:
                self._unstable(job.path, first, second)
            else:
                # Once more, each in a process that has seen no other file.
                del self.firsts[job.path], self.seconds[job.path]
                self.pool.add(Job(job.path, alone=True, with_json=True))
                self.pool.add(Job(job.path, second=True, alone=True, with_json=True))

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
        from dag_integrity.unstable import difference

        name = path.relative_to(self.root).as_posix()
        lines = {dag["dag_id"]: dag["line"] for dag in first.dags}
        for dag_id in sorted(set(first.digests) | set(second.digests)):
            wrong = difference(dag_id, first.serialized.get(dag_id), second.serialized.get(dag_id))
            if wrong:
                write = "Write sorted(…) around sets and listings; leave clock, random and ids to the tasks"
                line = lines.get(dag_id, 1)
                self.late.setdefault(path, []).append(Finding(name, line, "unstable", wrong, write, dag_id))

    def _death(self, path: Path, death: Death) -> Finding:
        name = path.relative_to(self.root).as_posix()
        if death.timed_out:
            wrong = f"Importing the file takes longer than {self.policy.time_limit:g} s"
            return Finding(name, 1, "time-limit", wrong, "Move the work into a task")
        wrong = f"Importing the file ends the process ({death.why})"
        return Finding(name, 1, "process-death", wrong, "Take out what ends or crashes Python at import")

    def _keep(self, path: Path) -> None:
        """Put all that was found in a parsed file into the cache's entries."""
        read, first = self.reads[path], self.firsts[path]
        late = self.late.get(path, [])
        if isinstance(first, Death):
            findings, dags, milliseconds, data = [*read.findings, self._death(path, first), *late], [], 0, []
        else:
            findings, dags = [*read.findings, *first.findings, *late], first.dags
            milliseconds, data = first.milliseconds, first.read
        data = sorted({*data, *(self._data_of_modules if read.own_modules else ())})
        findings = sorted(set(findings))
        self.cache.put(path, [*read.own_modules, *data], pack(findings, read.exemptions, dags, milliseconds))

    @property
    def _data_of_modules(self) -> set[str]:
        """Data that any file read: a shared module reads its data only in the first parse."""
        return {read for first in self.firsts.values() if not isinstance(first, Death) for read in first.read}

    def _report(self, folder: Folder, parsed: int) -> Report:
        findings: set[Finding] = set()
        comments: dict[str, list[Comment]] = {}
        dags: list[dict] = []
        imported: set[str] = set()
        for path in (*folder.dag_files, *folder.skipped, *folder.ignored):
            name = path.relative_to(self.root).as_posix()
            entry = self.cache.get(path)
            found, comments[name] = unpack(entry)
            findings.update(found)
            if not NOT_KEPT.intersection(finding.rule for finding in found):
                imported.add(name)
            dags += [dag | {"file": name, "milliseconds": entry["milliseconds"]} for dag in entry["dags"]]
        findings.update(check_dag_ids(dags))
        findings.update(check_assets(dags, self.policy))
        findings.update(self._hidden(folder))
        for path in folder.dag_files:
            if path.relative_to(self.root).as_posix() not in imported:
                self.cache.drop(path)
        left = apply_exemptions(findings, comments, self.policy, imported)
        files = [path.relative_to(self.root).as_posix() for path in folder.dag_files]
        return Report(sorted(left), sorted(dags, key=lambda dag: (dag["file"], dag["dag_id"])), files, parsed)

    def _hidden(self, folder: Folder) -> list[Finding]:
        found = []
        for path in folder.skipped:
            name = path.relative_to(self.root).as_posix()
            if path.name == "__init__.py" and not path.read_text(encoding="utf-8").strip():
                continue
            if self.cache.get(path)["makes_dags"]:
                wrong = "Airflow skips this file: nowhere in it stand the words airflow and dag"
                found.append(Finding(name, 1, "hidden-dag", wrong, "Write from airflow.sdk import DAG"))
            else:
                wrong = "This file is no DAG file, and Airflow looks into it again and again"
                write = "Add it to .airflowignore; if it makes DAGs, write airflow and dag in a comment"
                found.append(Finding(name, 1, "no-dag", wrong, write))
        for path in folder.ignored:
            if self.cache.get(path)["makes_dags"]:
                name = path.relative_to(self.root).as_posix()
                wrong = "The file makes a DAG, and .airflowignore hides it from Airflow"
                write = "Narrow the pattern in .airflowignore, or move the file"
                found.append(Finding(name, 1, "hidden-dag", wrong, write))
        return found


def _loaded(module: str) -> bool:
    """Whether `module` is loaded, or is a name in one that is."""
    parent, _, name = module.rpartition(".")
    return module in sys.modules or (parent in sys.modules and hasattr(sys.modules[parent], name))


def _set_up_airflow(state: Path, dags: Path, policy: Policy) -> None:
    """The settings under which DAG files are parsed: a pod's, without a database and without log lines."""
    state.mkdir(parents=True, exist_ok=True)
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
    # Whatever is set in the shell of the person who calls must not make the findings differ.
    for name in [name for name in os.environ if name.startswith(("AIRFLOW_CONN_", "AIRFLOW_VAR_"))]:
        del os.environ[name]
