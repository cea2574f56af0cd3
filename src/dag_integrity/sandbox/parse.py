"""Parses a DAG file as Airflow's DAG processor does and checks what comes out; runs in worker processes."""

from __future__ import annotations

import ast
import functools
import gc
import hashlib
import json
import logging
import os
import re
import resource
import signal
import sys
import tempfile
import traceback
import warnings
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import Any

from ..causes import BY_WARNING
from ..config import Policy
from ..cures import cure_of
from ..facts import Dag, Facts, facts_of
from ..model import Finding, apply, finding, some
from ..pool import clock
from ..rules.files import heavy_module
from ..rules.import_errors import TOO_LATE, explain
from ..source import Source
from ..static import read
from ..syntax import IMPORTS, LARGE, imported
from . import versions
from .guard import Guard, NoValue, Refusal, RefusedAtImport
from .perturb import perturb, set_numbers
from .versions import DAG, BaseOperator, Serialization

# Uses what most DAGs use, so that what Airflow loads with it is loaded before any file is parsed.
USUAL_DAG = """
from datetime import datetime, timedelta, timezone
from airflow.sdk import Asset, Param, dag, task
@dag(
    schedule="@daily",
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    dagrun_timeout=timedelta(hours=1),
    params={"day": Param(None, type=["null", "string"], format="date"), "n": Param(1, type="integer")},
)
def usual():
    @task
    def first():
        return [1]
    @task(outlets=[Asset("usual://has.every.provider.load/what-it-knows-of-assets")])
    def second(number, text="{{ ds }}"):
        return number
    second.expand(number=first())
usual()
"""
COLLECT_EVERY = 25  # files: Python's own collector of garbage would run all the time
MOST_OUTPUT = 50_000_000  # bytes: a file that prints without end must not fill the disk before its time is up


class TooLate(BaseException):
    """Raised in a DAG file whose time is up."""


class Parser:
    """Parses DAG files in this process, which it takes over: its output, directory, path and garbage."""

    def __init__(self, root: Path, policy: Policy, perturbed: bool, whole: bool) -> None:
        self.root, self.policy, self.perturbed, self.whole = root, policy, perturbed, whole
        self.dags = root / policy.dags_folder
        self.guard, self.parsed = Guard(self.dags, policy, self._is_exempt), 0
        self.stated: dict[int, dict[str, Any]] = {}
        self.tasks: list[Any] = []
        versions.trust_executors()
        self.bag = versions.bag(self.dags, bundle=True)
        sys.path[:] = [entry for entry in sys.path if entry not in ("", str(root))]
        sys.path += [str(self.dags), *(str(root / folder) for folder in policy.path)]
        self._compile_libraries_only()
        os.chdir(tempfile.gettempdir())
        resource.setrlimit(resource.RLIMIT_FSIZE, (MOST_OUTPUT, MOST_OUTPUT))
        warnings.simplefilter("always")
        warnings.showwarning = lambda *_, **__: None
        self.known = list(sys.modules)
        self.world = (list(sys.path), dict(os.environ))
        self.logging = (logging.root.level, list(logging.root.handlers))
        self.output = _redirect_output()
        self._record_arguments()
        if perturbed:
            perturb(self.dags)
            versions.skip_schema()
        signal.signal(signal.SIGALRM, self._too_late)
        # Airflow's handler of a segmentation fault goes back to it, until the time is up.
        set_handler: Any = signal.signal
        place: Any = signal
        set_handler(signal.SIGSEGV, signal.SIG_DFL)
        place.signal = lambda number, to: number == signal.SIGSEGV or set_handler(number, to)
        self.guard.watch()

    def _is_exempt(self, refused: Refusal) -> bool:
        source = Source(Path(refused.path), self.root, self.policy)
        one = finding("forbidden-at-import", source.name, refused.line, refused.what)
        if one.rule in self.policy.off:
            return True
        return any(exemption.covers(one) for exemption in (*source.exemptions, *self.policy.exempt))

    def _too_late(self, *_: Any) -> None:
        if self.guard.armed:
            raise TooLate

    def _compile_libraries_only(self) -> None:
        """Keep the bytecode of libraries, which an image has, too; write none into the DAG folder."""
        kind: Any = SourceFileLoader
        original = kind.set_data

        def set_data(loader: Any, path: str, *args: Any, **kwargs: Any) -> None:
            if not path.startswith(self.guard.dags):
                original(loader, path, *args, **kwargs)

        kind.set_data = set_data
        sys.dont_write_bytecode = False

    def _record_arguments(self) -> None:
        """Keep the arguments each DAG was made with: the DAG itself does not tell a default from a choice."""
        original = DAG.__init__

        @functools.wraps(original)
        def recording(dag: Any, *args: Any, **kwargs: Any) -> Any:
            maker = sys._getframe(1).f_globals.get("__name__", "")
            self.stated[id(dag)] = kwargs | {"by_asset": maker.startswith("airflow.sdk.definitions.asset")}
            return original(dag, *args, **kwargs)

        DAG.__init__ = recording
        of_task = BaseOperator.__init__

        @functools.wraps(of_task)
        def recording_task(task: Any, *args: Any, **kwargs: Any) -> Any:
            self.tasks.append(task)
            return of_task(task, *args, **kwargs)

        BaseOperator.__init__ = recording_task

    def parse(self, path: Path) -> Facts:
        """Parse the file, check it, and leave this process as if it had not been."""
        outcome = Facts(None if self.perturbed else read(path, self.root, self.policy))
        os.ftruncate(self.output, 0)
        started = clock(os.getpid())
        set_numbers()
        self.guard.armed = str(path)
        try:
            dags = self.bag.process_file(str(path), only_if_updated=False, safe_mode=False)
        except (TooLate, SystemExit):  # which Airflow 3 takes for an import error
            dags, self.bag.import_errors[str(path)] = [], traceback.format_exc()
        finally:
            self.guard.armed = ""
        outcome.seconds = max(clock(os.getpid()) - started, 0.0)  # of two clocks, read in turn
        outcome.import_failed = bool(self.bag.import_errors)
        outcome.timed_out = any(TOO_LATE in text for text in self.bag.import_errors.values())
        # One that got a task after its `with` block is there twice: its hash has changed meanwhile.
        dags = list({id(dag): dag for dag in dags}.values())
        loaded, known = list(sys.modules), self.known
        added = set(loaded[len(known) :] if loaded[: len(known)] == known else set(loaded) - set(known))
        outcome.tainted = any(not self._harmless(module) for module in added)
        outcome.tainted = outcome.tainted or path.stat().st_size > LARGE  # nor keeps its memory
        if self.perturbed:
            for dag in dags:
                self._serialize(dag, outcome, lambda *_: None)
        else:
            assert outcome.source
            self._check(outcome.source, dags, added, outcome)
        self._forget(added)
        return outcome

    def _is_needed(self, source: Source, after: list[str]) -> bool:
        """Whether what brings these modules in is an operator, or else used when the file is parsed."""
        own = [getattr(sys.modules[one], "__file__", None) for one in after if self._own(one)]
        sources = [source, *(Source(Path(path), self.root, self.policy) for path in own if path)]
        by = [(after.index(i.module), i, one) for one in sources for i in one.imports if i.module in after]
        _, first, one = min(by, default=(0, None, source), key=lambda entry: entry[0])
        if first is None or self._own(first.module):
            return False
        if first.module.startswith("airflow."):
            return ".hooks" not in first.module
        used = {n.id for n in one.at_parse if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
        bound = [imported(n) for n in one.at_parse if isinstance(n, IMPORTS) and n.lineno == first.line]
        return any(name in used for names in bound for name in names)

    def _check_one(self, source: Source, dag: Any, siblings: int, outcome: Facts) -> None:
        subject = Dag(dag, self.stated.get(id(dag), {}), source, siblings, versions)

        def report(rule: str, wrong: str, at: Any = None, cure: str = "") -> None:
            line, dag_id = subject.line(at), subject.dag.dag_id
            outcome.findings.append(finding(rule, source.name, line, wrong, cure, dag_id))

        if dag.dag_id in outcome.serialized:
            wrong = f"{dag.dag_id} is the dag_id of two DAGs of this file, and Airflow keeps one of them"
            report("duplicate-dag-id", wrong)
        for rule, problem in apply("dag", subject, self.policy):
            report(rule.name, problem.wrong, problem.at, problem.cure)
        self._serialize(dag, outcome, report)
        outcome.dags.append(facts_of(subject))

    def _forget(self, added: set[str]) -> None:
        of_bag = (self.bag.dags, self.bag.import_errors, self._captured)
        for kept in (*of_bag, self.stated, self.tasks, self.guard.refusals):
            kept.clear()
        # All of them first: a package without __init__.py asks for the one that it is in.
        for name in [name for name in added if name.startswith("unusual_prefix_") or self._own(name)]:
            sys.modules.pop(name, None)
        self.known = list(sys.modules)  # also what the checks themselves have brought in since
        os.chdir(tempfile.gettempdir())
        sys.path[:] = self.world[0]
        level, logging.root.handlers[:] = self.logging
        logging.root.setLevel(level)
        if self.guard.environment_changed:
            os.environ.clear()
            os.environ.update(self.world[1])
            self.guard.environment_changed = False
        self.parsed += 1
        if self.parsed % COLLECT_EVERY == 0:
            gc.collect()

    @property
    def _captured(self) -> dict[str, Any]:
        return getattr(self.bag, "captured_warnings", {})

    def _own(self, module: str) -> bool:
        """Whether a module is of the DAG folder."""
        loaded = sys.modules.get(module)
        places = [getattr(loaded, "__file__", None) or "", *map(str, getattr(loaded, "__path__", ()))]
        return any(place.startswith(self.guard.dags) for place in places)

    def _harmless(self, module: str) -> bool:
        """Whether a module may stay in this process, or is forgotten by it."""
        top = module.split(".")[0]
        if top in sys.stdlib_module_names or top == "airflow" or top.startswith(("unusual_prefix_", "_")):
            return True
        return self._own(module)

    def _check(self, source: Source, dags: list[Any], added: set[str], outcome: Facts) -> None:
        name = source.name
        for refused in self.guard.refusals:
            where = Path(refused.path).relative_to(self.root).as_posix()
            wrong = f"The file {refused.what} when it is parsed"
            by = refused.library
            write = f"Move that line into a task, or set {by} up so that it does not do it" if by else ""
            outcome.findings.append(finding("forbidden-at-import", where, refused.line, wrong, write))
        for text in self.bag.import_errors.values():
            if NoValue.__name__ in text or RefusedAtImport.__name__ not in text:
                outcome.findings.append(explain(text, source, self.root, self.policy))
        outcome.findings += self._warnings(source.path)
        of_libraries = [module for module in added if not module.startswith("airflow.")]
        heavy = {module: what for module in of_libraries if (what := heavy_module(module, self.policy))}
        if heavy and "kubernetes.client" not in added:  # an executor_config needs that, and all it brings
            loaded = [module for module in sys.modules if module in added]  # each after those that it imports
            after = loaded[min(map(loaded.index, heavy)) :]
            places = [(after.index(i.module), i.line) for i in source.imports if i.module in after]
            line = min(places, default=(0, 1))[1]
            if not self._is_needed(source, after):
                outcome.heavy = [(some(sorted({*heavy.values()})), line)]
        if (printed := os.fstat(self.output).st_size) > self.policy.max_output:
            wrong = f"The file prints {printed:,} bytes each time it is parsed"
            outcome.findings.append(finding("output", name, 1, wrong))
        for task in self.tasks if dags else ():
            task_id = getattr(task, "task_id", "")
            if task_id in source.task_lines and not task.has_dag():
                wrong = f"{task_id} is in no DAG, and so it never runs"
                outcome.findings.append(finding("task-outside", name, source.task_lines[task_id], wrong))
        if not dags and not outcome.findings:
            outcome.findings.append(_no_dag(source))
        for dag in dags:
            try:
                self._check_one(source, dag, len(dags), outcome)
            except Exception as error:
                wrong = f"DAG {dag.dag_id} cannot be looked at: {type(error).__name__}: {error}"
                outcome.findings.append(finding("not-checked", name, source.dag_line(), wrong))

    def _serialize(self, dag: Any, outcome: Facts, report: Any) -> None:
        try:
            serialized = Serialization.to_dict(dag)
        except Exception as error:
            wrong = f"DAG {dag.dag_id} cannot be serialized: {_first_line(error)}"
            report("serialization", wrong, None, cure_of(str(error)))
            outcome.serialized[dag.dag_id] = None
            return
        text = json.dumps(serialized, sort_keys=True)
        outcome.serialized[dag.dag_id] = serialized if self.whole else hashlib.sha256(text.encode()).digest()
        if self.perturbed:
            return
        # "Not given", of an operator that is newer than Airflow 2, is nothing that a DAG file says
        if match := " at 0x" in text and re.search(r"[^\"]{0,80}(?<!ArgNotSet object) at 0x[0-9a-f]{6,}", text):
            wrong = f"A value is serialized with its address in memory, another in each process: {match[0]}"
            write = "Give the operator a plain value, or define __repr__ or serialize() of that class"
            report("serialization", wrong, cure=write)
        try:
            Serialization.from_dict(json.loads(text))
        except Exception as error:
            report("serialization", f"DAG {dag.dag_id} cannot be deserialized: {_first_line(error)}")

    def _warnings(self, path: Path) -> list[Finding]:
        """Airflow's own warnings about what it deprecated, where the DAG folder's code is to blame."""
        found = []
        for text in self._captured.get(str(path), ()):
            match = re.match(r"(.*):(\d+): ([\w.]+): (.*)", text, re.S)
            if match and match[1].startswith(self.guard.dags) and re.search("RemovedIn|Deprecated", match[3]):
                name = Path(match[1]).relative_to(self.root).as_posix()
                if "airflow" in match[3] + match[4]:
                    wrong = _first_line(match[4]).replace("`", "")
                    found.append(finding("airflow-3", name, int(match[2]), wrong, BY_WARNING))
        return found


def _no_dag(source: Source) -> Finding:
    if source.dag_calls:
        called, line = source.dag_calls[0].name, source.dag_line()
        makers = [one for one in source.functions.values() if one.lineno < line <= (one.end_lineno or 0)]
        write = f"Call {called}() at the end of the file" if called else "See why that line is not reached"
        if makers and not called:
            write = f"Call {makers[0].name}() in this file; if others do, add this one to .airflowignore"
        wrong = "The file has a DAG in it, and parsing it makes none"
        return finding("no-dag", source.name, source.dag_line(), wrong, write)
    wrong = "Airflow parses this file again and again, and it has no DAG"
    return finding("no-dag", source.name, 1, wrong, "Make a DAG in it, or add it to .airflowignore")


def _first_line(error: object) -> str:
    return (str(error).strip() or type(error).__name__).split("\n")[0]


def _redirect_output() -> int:
    """Send what this process prints into a nameless file, and return its descriptor."""
    with tempfile.TemporaryFile("ab") as file:
        descriptor = os.dup(file.fileno())
    for standard in (1, 2):
        os.dup2(descriptor, standard)
    sys.stdout = open(1, "w", buffering=1, closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, closefd=False)  # noqa: SIM115
    return descriptor


def warm_up() -> None:
    """Make Airflow load what it loads with the first DAG."""
    bag = versions.bag("")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "usual.py")
        path.write_text(versions.in_words_of_2(USUAL_DAG), encoding="utf-8")
        dags = bag.process_file(str(path), only_if_updated=False)
    Serialization.from_dict(Serialization.to_dict(dags[0]))


def difference(dag_id: str, first: dict[str, Any] | None, second: dict[str, Any] | None) -> str:
    """Where two parses of a DAG first differ; '' where Airflow would not make a new version of it."""
    if first is None or second is None:
        return f"DAG {dag_id} is there in only one of two parses"
    if versions.hash_of(first) == versions.hash_of(second):
        return ""
    where = _first_difference(first["dag"], second["dag"])
    return f"Two parses differ, so that every parse makes a new DAG version: {where}"


def _first_difference(one: Any, other: Any, where: str = "") -> str:
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)) and len(one) == len(other):
        one, other = dict(enumerate(one)), dict(enumerate(other))
    if isinstance(one, dict) and isinstance(other, dict):
        # Tasks before the groups and dependencies that follow from them
        for key in sorted({*one, *other}, key=lambda key: (key != "tasks", str(key))):
            if (a := one.get(key)) != (b := other.get(key)):
                inner = a.get("__var", a) if isinstance(a, dict) else {}
                step = f"task {inner['task_id']}" if isinstance(inner, dict) and "task_id" in inner else key
                inside = where if key in ("__var", "__type", "tasks") else f"{where}.{step}"
                return _first_difference(a, b, inside)
    short = [text if len(text := repr(value)) <= 60 else f"{text[:57]}…" for value in (one, other)]
    return f"{where.lstrip('.')} is {short[0]}, then {short[1]}"
