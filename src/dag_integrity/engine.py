"""Checks a DAG folder: reads each file, parses it twice in forked processes, and gathers what was found.

Airflow is imported once and processes are forked from that. One kind parses a file as a pod does and applies
the rules; the other parses it where all that may differ does differ (`second.py`). A process does many files
and forgets each. Whatever is doubtful is done again in a fresh process by itself, and only that counts: so a
finding depends neither on other files nor on how busy the machine is.
"""

from __future__ import annotations

import atexit
import contextlib
import dataclasses
import gc
import importlib.machinery
import os
import re
import shutil
import sys
import tempfile
import warnings
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from . import (
    RULES,
    Finding,
    PolicyError,
    apply,
    code_rules,  # noqa: F401
    dag_rules,  # noqa: F401
    engine_rule,
    finding,
    output_rules,  # noqa: F401
    run_rules,  # noqa: F401
    some,
    task_rules,  # noqa: F401
)
from .file_rules import EVERYWHERE, Ruff, heavy_module
from .folder_rules import NO_AIRFLOW, list_folder
from .outcome import BY_WARNING, Outcome, read
from .policy import Policy, apply_exemptions, helm_values
from .pool import Pool
from .second import CANARIES, CANARY
from .source import Source

engine_rule(
    "output", "The file prints next to nothing at import: the DAG processor imports it again and again.",
    "Print inside tasks only",
)  # fmt: skip
engine_rule("cycle", "The tasks have no cycle.", "Take one of the arrows (>>) between these tasks out")
engine_rule(
    "serialization", "The DAG can be serialized, and deserializes to the same DAG.",
    "Give operators plain values; timetables and the like come from a plugin",
)  # fmt: skip
engine_rule(
    "import-error", "The file imports without error with only the DAG folder on the path, as in a pod.",
    "Correct it: Airflow shows none of the file's DAGs until then",
)  # fmt: skip
engine_rule("time-limit", "The file is imported within the time limit.", "Move the work into a task")
engine_rule(
    "process-death", "Importing the file does not end the process (sys.exit, os._exit, a crash).",
    "Raise an exception inside a task; a DAG file must not end the process",
)  # fmt: skip
engine_rule(
    "import-budget", "Importing the file takes no longer than the budget, whatever else the machine does.",
    "Move work and imports into tasks",
)  # fmt: skip
engine_rule(
    "unstable", "Two parses give the same DAG; otherwise each parse makes a new DAG version.",
    "Write sorted(…) around sets and listings; leave clock, random and ids to the tasks",
)  # fmt: skip
engine_rule("exemption", "Every exemption names a known rule, gives its reason, and exempts something.", "Take it out")
# One cause, one line: a finding of the first kind has said what those of the second say of the same file.
SAID_BY = {
    "clock-at-import": {"unstable", "start-date"},
    "duplicate-dag-id": {"unstable"},
    "forbidden-at-import": {"import-budget", "time-limit", "unstable"},
    "heavy-import": {"import-budget"},
    "import-error": {"image-import", "python-syntax", "unstable"},
    "process-death": {"unstable"},
    "serialization": {"unstable"},
    "time-limit": {"unstable", "import-budget"},
}
UNFINISHED = {"import-error", "time-limit", "process-death", "not-checked"}
# What a pod has, too, of the environment of the person who calls; the rest would make the findings differ.
KEPT = ("PATH", "LANG", "LC_ALL", "LC_CTYPE")
TRIES = 3


class Report(NamedTuple):
    """What a run found, sorted; `dags` has a row of plain values for each DAG."""

    findings: list[Finding]
    dags: list[dict]
    files: list[str]
    not_parsed: tuple[str, ...] = ()


class Check:
    """One run over a repository."""

    def __init__(self, root: Path, policy: Policy) -> None:
        self.root, self.policy, self.dags = root, policy, root / policy.dags_folder
        self.firsts: dict[Path, Outcome | str] = {}
        self.seconds: dict[Path, Outcome | str] = {}
        self.reads: dict[Path, Source] = {}

    def run(self) -> Report:
        """All checks of the whole folder."""
        folder = list_folder(self.dags)
        ruff = Ruff([*folder.dag_files, *folder.others], self.policy.python)
        # Airflow and syntax trees are no garbage; the collector would look through them all the time.
        gc.disable()
        self.reads = {path: read(path, self.root, self.policy) for path in folder.others}
        if folder.dag_files:
            load_airflow([*folder.dag_files, *folder.others], self.root, self.policy)
            try_canary(self.policy)
            self._parse(folder.dag_files)
        parsed = {*folder.dag_files}.union(*map(self._closure, folder.dag_files))
        findings = [*self._say_of_files(parsed), *ruff.findings(self.reads)]
        dags = []
        for path in folder.dag_files:
            findings += self._say_of_parses(path)
            first = self.firsts[path]
            ms = round(getattr(first, "seconds", 0) * 1000)
            for dag in getattr(first, "dags", ()):
                dags.append(dag | {"file": self._name(path), "milliseconds": ms})
        unfinished = {one.file for one in findings if one.rule in UNFINISHED}
        unfinished |= {self._name(path) for path in folder.dag_files if self._failed(path)}
        folder.complete(self.root, self.policy, dags, self.reads, unfinished)
        for rule, said in apply("folder", folder, self.policy):
            file = said.file or self.policy.dags_folder
            findings.append(finding(rule.name, file, said.at or 1, said.wrong, said.cure))
        dags.sort(key=lambda dag: (dag["file"], dag["dag_id"]))
        try_own_rules(self.policy)
        not_parsed = [one for one in folder.dag_files if getattr(self.firsts[one], "refused", True)]
        names = [[self._name(path) for path in paths] for paths in (folder.dag_files, not_parsed)]
        return Report(self._left(findings, unfinished), dags, names[0], tuple(names[1]))

    def run_static(self, paths: list[Path]) -> Report:
        """The rules that import nothing, on these files; those outside the DAG folder are left alone."""
        paths = sorted({path.resolve() for path in paths if path.suffix == ".py" and path.is_file()})
        paths = [path for path in paths if self.dags in path.parents]
        ruff = Ruff(paths, self.policy.python, alone=True)
        self.reads = {path: read(path, self.root, self.policy) for path in paths}
        # What Airflow parses is not known without Airflow: a file without a DAG counts as a helper module.
        findings = self._say_of_files({path for path in paths if self.reads[path].dag_calls})
        findings = [*findings, *ruff.findings(self.reads)]
        names = [*map(self._name, paths)]
        return Report(self._left(findings, {*names, "pyproject.toml"}), [], names)

    def _left(self, findings: list[Finding], unfinished: set[str]) -> list[Finding]:
        """What is left when exemptions and repetitions are taken out."""
        comments = [exemption for source in self.reads.values() for exemption in source.exemptions]
        return sorted(one_line_each(apply_exemptions(set(findings), comments, self.policy, unfinished)))

    def _name(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()

    def _say_of_files(self, parsed: set[Path]) -> list[Finding]:
        """What reading said of the files that are parsed; of others what holds for all."""
        found = [(path, one) for path, source in self.reads.items() for one in source.findings]
        return [one for path, one in found if path in parsed or one.rule in (*EVERYWHERE, "import-error")]

    def _parse(self, paths: list[Path]) -> None:
        """Parse each file, and again where that may make a difference; what is doubtful once more, alone."""
        from .parser import Parser

        def run(kind: str, files: list[Path], size: int = _cores(), once: bool = False) -> Iterator:
            make = lambda: Parser(self.root, self.policy, kind == "second", once).parse  # noqa: E731
            return Pool(make, size, self.policy.time_limit, once).run(files)

        gc.freeze()
        self.firsts |= run("first", paths)
        for path, first in self.firsts.items():
            self.reads[path] = getattr(first, "source", None) or read(path, self.root, self.policy)
        steady = {path for path in paths if self._steady(path)}
        self.seconds = {path: self.firsts[path] for path in steady}
        self.seconds |= run("second", [one for one in paths if not (one in steady or self._failed(one))])
        doubtful = [path for path in paths if self._doubtful(path)]
        self.firsts |= run("first", doubtful, once=True)
        self.seconds |= run("second", [one for one in doubtful if not self._failed(one)], once=True)
        # Of one that seems slow the quickest parse counts, with the machine to itself.
        for _ in range(TRIES):
            slow = [path for path in paths if self._over_budget(path)]
            for path, again in run("first", slow, size=1, once=True):
                if isinstance(again, Outcome):
                    self.firsts[path].seconds = min(again.seconds, self.firsts[path].seconds)

    def _steady(self, path: Path) -> bool:
        """Whether two parses cannot differ: nor can its modules, which no installed module stands before."""
        files = {path, *self._closure(path)}
        return all(
            self.reads[one].steady
            and self.reads[one].own_modules <= files
            and not (one != path and _is_installed(one.relative_to(self.dags).parts[0].removesuffix(".py")))
            for one in files
        )

    def _over_budget(self, path: Path) -> bool:
        """Whether importing the file took too long, which a heavy import explains."""
        first = self.firsts[path]
        if isinstance(first, str) or first.late or first.heavy or self._names_heavy(path):
            return False
        return first.seconds > self.policy.import_budget

    def _names_heavy(self, path: Path) -> bool:
        """Whether the file, or a module of the folder that it imports, imports a heavy module by name."""
        named = [i.module for one in (path, *self._closure(path)) for i in self.reads[one].imports]
        return any(heavy_module(module, self.policy) for module in named)

    def _doubtful(self, path: Path) -> bool:
        first, second = self.firsts[path], self.seconds.get(path, "")
        return self._failed(path) or isinstance(second, str) or first.serialized != second.serialized

    def _failed(self, path: Path) -> bool:
        """Whether the file could not be parsed, also by the fault of a module that it imports."""
        first = self.firsts[path]
        if isinstance(first, str):
            return True
        return first.refused and any(one.rule in UNFINISHED for one in first.findings)

    def _say_of_parses(self, path: Path) -> Iterator[Finding]:
        first = self.firsts[path]
        second, name = self.seconds.get(path, first), self._name(path)
        for answer in (first, second):
            if answer == "":
                wrong = f"Importing the file takes longer than {self.policy.time_limit:g} s"
                yield finding("time-limit", name, 1, wrong)
            elif isinstance(answer, str):
                yield finding("process-death", name, 1, f"Importing the file ends the process ({answer})")
            if isinstance(answer, str):
                return
        broken = any(self.reads[one].error for one in (path, *self._closure(path)))  # as reading has said
        yield from (one for one in first.findings if not (broken and one.rule == "import-error"))
        if first.heavy and not self._names_heavy(path):  # or reading has said it
            heavy, line = first.heavy[0]
            write = "Import what brings it in inside the task"
            yield finding("heavy-import", name, line, f"Parsing the file imports {heavy} each time", write)
        elif self._over_budget(path):
            budget = f"the budget is {self.policy.import_budget:g} s"
            wrong = f"Importing the file takes {first.seconds:.1f} s; {budget}"
            yield finding("import-budget", name, 1, wrong)
        if first.serialized != second.serialized and not second.late:
            from .parser import difference

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


def try_own_rules(policy: Policy) -> None:
    """Try the examples of the repository's own rules: each speaks of the broken one, not of the fixed one."""
    own = [rule for rule in RULES.values() if rule.broken]
    there = dataclasses.replace(policy, dags_folder=".", own_rules="", off=[], exempt=[])
    for kind in ("broken", "fixed") if policy.own_rules else ():
        with tempfile.TemporaryDirectory() as folder:
            for rule in own:
                Path(folder, f"{rule.name}.py").write_text(getattr(rule, kind), encoding="utf-8")
            findings = Check(Path(folder).resolve(), there).run().findings
        for one in findings:
            if one.rule == "not-checked":
                raise PolicyError(f"{policy.own_rules}: {one.wrong}.")
        said = {(one.file, one.rule) for one in findings}
        for rule in own:
            if ((f"{rule.name}.py", rule.name) in said) is not (kind == "broken"):
                wrong = "says nothing of" if kind == "broken" else "still finds something in"
                raise PolicyError(f"{policy.own_rules}: {rule.name} {wrong} its {kind} example.")


def try_canary(policy: Policy) -> None:
    """What differs must be seen to differ, and what is refused be refused; or no finding means nothing."""
    from .parser import Parser, difference

    usual = Policy(time_limit=max(policy.time_limit, Policy.time_limit))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder).resolve() / "canary.py"
        path.write_text(CANARY, encoding="utf-8")
        path.with_name("a_second_file").touch()
        usual = dataclasses.replace(usual, dags_folder=".")

        def parse(second: bool) -> Outcome | str:
            make = lambda: Parser(path.parent, usual, second, True).parse  # noqa: E731
            return next(Pool(make, 1, usual.time_limit, once=True).run([path]))[1]

        first, second = parse(second=False), parse(second=True)
    if isinstance(first, str) or isinstance(second, str):
        ended = next(filter(None, (first, second, "too slow")))
        raise PolicyError(f"The checks cannot parse a DAG with this Airflow: {ended}.")
    pairs = {what: (first.serialized.get(what), second.serialized.get(what)) for what in CANARIES}
    blind = [what for what, pair in pairs.items() if not (all(pair) and difference(what, *pair))]
    if "forbidden-at-import" not in {one.rule for one in first.findings}:
        blind.append("Variables")
    if blind:
        cure = "take checks that are made for this version of Airflow"
        raise PolicyError(f"The checks see nothing of {some(blind, 9)} in a DAG file that has them: {cure}.")


def one_line_each(findings: list[Finding]) -> list[Finding]:
    """Leave out what another finding has said: one cause, one line."""
    rules: dict[str, set[str]] = {}
    for one in findings:
        rules.setdefault(one.file, set()).add(one.rule)
    left: dict[tuple, Finding] = {}
    moved: set[tuple[str, str]] = set()
    by_line = {(one.file, one.line) for one in findings if one.rule == "airflow-3"}
    by_ruff = {one.file for one in findings if one.rule == "airflow-3" and one.write != BY_WARNING}
    gone = {(one.file, one.wrong.split(" ")[0]) for one in findings if one.rule == "airflow-3"}
    # ruff, which knows where a name went, before the import that fails and Airflow's warnings
    for one in sorted(findings, key=lambda one: (one.write == BY_WARNING, ": " in one.wrong, one)):
        said = any(one.rule in SAID_BY.get(rule, ()) for rule in rules[one.file])
        said = said or (one.write == BY_WARNING and one.file in by_ruff)
        said = said or (one.rule == "context-key" and (one.file, one.line) in by_line)
        argument = re.search(r"unexpected keyword argument '(\w+)'", one.wrong)
        said = said or (argument and (one.file, argument[1]) in gone)
        key = (one.file, one.line, one.rule, "" if one.rule == "forbidden-at-import" else one.wrong)
        if one.rule == "airflow-3" and (match := re.search(r"airflow\.[\w.]*\w", one.wrong)):
            said = said or (one.file, match[0]) in moved
            moved |= {(one.file, match[0]), (one.file, match[0].rpartition(".")[0])}
        if not said:
            left.setdefault(key, one)
    return list(left.values())


def load_airflow(paths: list[Path], root: Path, policy: Policy) -> None:
    """Import Airflow, and of it what the files import: the DAG processor does so before it forks, too."""
    home = os.path.realpath(tempfile.mkdtemp(prefix="dag-integrity-"))
    plugins = next((one for one in policy.path if Path(one).name == "plugins"), f"{home}/plugins")
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    tempfile.tempdir = home
    # Where a repository itself is on the path, it is AIRFLOW_HOME, too, as in Astronomer's image.
    for folder in root.iterdir() if "." in policy.path else ():
        # Not what Airflow writes, and not code of the repository's own about all of Airflow
        if folder.is_dir() and folder.name != "logs" and not (folder / "airflow_local_settings.py").exists():
            Path(home, folder.name).symlink_to(folder)
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    os.environ.clear()
    os.environ |= kept | pod_environment(root) | policy.environment
    os.environ.update(
        HOME=home,
        AIRFLOW_HOME=home,
        TMPDIR=home,
        AIRFLOW__CORE__DAGS_FOLDER=str(root / policy.dags_folder),
        AIRFLOW__CORE__PLUGINS_FOLDER=str(root / plugins),
        AIRFLOW__CORE__LOAD_EXAMPLES="False",
        AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT="0",  # `Pool` sees to it
        AIRFLOW__CORE__DAGBAG_IMPORT_ERROR_TRACEBACKS="True",
        AIRFLOW__CORE__DAGBAG_IMPORT_ERROR_TRACEBACK_DEPTH="100",
        AIRFLOW__LOGGING__LOGGING_LEVEL="CRITICAL",
        OBJC_DISABLE_INITIALIZE_FORK_SAFETY="YES",  # or macOS refuses to work in a forked process
        no_proxy="*",
    )
    try:
        from . import parser
    except ImportError as error:
        raise PolicyError(f"{error}: {NO_AIRFLOW}.") from None
    modules = set()
    for path in paths:
        text = path.read_text(encoding="utf-8", errors="replace")
        modules.update(re.findall(r"^\s*(?:from|import)\s+(airflow\.[\w.]+)", text, re.M))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for module in sorted(modules):
            with contextlib.suppress(Exception):
                importlib.import_module(module)
    parser.warm_up()


def pod_environment(root: Path) -> dict[str, str]:
    """What helm/values.yaml sets in every pod, but for Airflow's own settings."""
    env = helm_values(root).get("env")
    pairs = [(one.get("name"), one.get("value")) for one in env or () if isinstance(one, dict)]
    named = [(name, value) for name, value in pairs if isinstance(name, str) and value is not None]
    return {name: str(value) for name, value in named if not name.startswith("AIRFLOW")}


@cache
def _is_installed(module: str) -> bool:
    """Whether there is a module of this name outside the DAG folder."""
    known = module in sys.modules or module in sys.stdlib_module_names
    return known or importlib.machinery.PathFinder.find_spec(module) is not None


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
