"""Parses a DAG file as Airflow's DAG processor does and checks what comes out; runs in worker processes."""

from __future__ import annotations

import atexit
import functools
import gc
import hashlib
import json
import os
import re
import resource
import shutil
import sys
import tempfile
import time
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jsonschema
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import DAG
from airflow.serialization.serialized_objects import DagSerialization

from .assets import asset_facts
from .dag_rules import Checked, check_dag
from .findings import Finding, some
from .guard import Guard, RefusedAtImport
from .import_errors import explain
from .policy import Policy
from .second_parse import differ
from .source import Outline
from .source_rules import MOVE_INTO_TASK, heavy_import_words, heavy_module

EMPTY_DAG = 'from airflow.sdk import DAG\n\nwith DAG(dag_id="empty", schedule=None):\n    pass\n'
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
    @task(outlets=[Asset("usual")])
    def second(number, text="{{ ds }}"):
        return number
    second.expand(number=first())
usual()
"""
# Every so many files the garbage of parsed DAGs is collected; Python's own collector would run all the time.
COLLECT_EVERY = 25
# A file that prints without end must not fill the disk before its time is up.
MOST_OUTPUT = 50_000_000
PLAIN_VALUES = "Give operators plain values; timetables and the like come from a plugin"


@dataclass
class Outcome:
    """What one parse of one file gave. It travels from the worker to the main process."""

    findings: list[Finding] = field(default_factory=list)
    # Of each DAG what the rules across files and the table need
    dags: list[dict] = field(default_factory=list)
    digests: dict[str, str] = field(default_factory=dict)
    serialized: dict[str, dict] = field(default_factory=dict)
    # Files of the DAG folder, other than modules, that the file, or a module that it imports, read or listed
    read: list[str] = field(default_factory=list)
    read_by_modules: list[str] = field(default_factory=list)
    milliseconds: float = 0
    cpu_seconds: float = 0
    # Python function calls: the file's, and an empty DAG file's
    calls: tuple[int, int] = (0, 0)
    # The process now holds modules that other files must not profit from
    spoilt: bool = False


class Parser:
    """Parses DAG files in this process, which it takes over: its output, directory, path and garbage."""

    def __init__(self, root: Path, dags: Path, policy: Policy, second: bool) -> None:
        self.root, self.dags, self.policy, self.second = root, dags, policy, second
        self.parsed = 0
        self.guard = Guard(dags)
        self.stated: dict[int, dict] = {}
        self.bag = DagBag(os.devnull, collect_dags=False, bundle_path=dags, bundle_name="dags-folder")
        _take_over(dags)
        self.known = set(sys.modules)
        self.output = _redirect_output()
        self._record_arguments()
        _validate_once()
        _read_locale_once()
        if second:
            differ(dags)
            DagSerialization.validate_schema = classmethod(lambda *_: None)  # the first process does it
        self.guard.watch()

    def _record_arguments(self) -> None:
        """Keep the arguments each DAG was made with: the DAG itself does not tell a default from a choice."""
        original = DAG.__init__

        @functools.wraps(original)
        def recording(dag, *args, **kwargs):
            maker = sys._getframe(1).f_globals.get("__name__", "")
            self.stated[id(dag)] = kwargs | {"by_asset": maker.startswith("airflow.sdk.definitions.asset")}
            return original(dag, *args, **kwargs)

        DAG.__init__ = recording

    def parse(self, outline: Outline, with_json: bool = False, count: bool = False) -> Outcome:
        """Parse the file, check it, and leave this process as if it had not been."""
        outcome, path = Outcome(), outline.path
        self.guard.refusals, self.guard.read, self.guard.read_by_modules = [], set(), set()
        if count:
            outcome.calls = (self._calls(path), self._calls(_scratch_dag(EMPTY_DAG)))
            return outcome
        os.ftruncate(self.output, 0)
        started, started_cpu = time.perf_counter(), time.process_time()
        dags = self._process(path)
        outcome.milliseconds = (time.perf_counter() - started) * 1000
        outcome.cpu_seconds = time.process_time() - started_cpu
        added = sys.modules.keys() - self.known
        outcome.read, outcome.read_by_modules = sorted(self.guard.read), sorted(self.guard.read_by_modules)
        outcome.spoilt = any(not self._harmless(module) for module in added)
        if self.second:
            self._digest(dags, outcome, with_json)
        else:
            self._check(outline, dags, added, outcome, with_json)
        self._forget()
        return outcome

    def _process(self, path: Path) -> list:
        self.guard.armed = str(path)
        try:
            return self.bag.process_file(str(path), only_if_updated=False, safe_mode=True)
        finally:
            self.guard.armed = ""

    def _calls(self, path: Path) -> int:
        """How many Python functions are called while it is parsed: the same on any machine, however busy."""
        from _lsprof import Profiler

        profiler = Profiler(builtins=False, subcalls=False)
        profiler.enable()
        try:
            self._process(path)
        finally:
            profiler.disable()
        self._forget()
        return sum(entry.callcount for entry in profiler.getstats())

    def _forget(self) -> None:
        self.bag.dags.clear()
        self.bag.import_errors.clear()
        self.bag.captured_warnings.clear()
        self.stated.clear()
        for name in sys.modules.keys() - self.known:
            if name.startswith("unusual_prefix_"):
                del sys.modules[name]
            else:
                self.known.add(name)
        self.parsed += 1
        if self.parsed % COLLECT_EVERY == 0:
            gc.collect()

    def _harmless(self, module: str) -> bool:
        """Whether a module may stay in this process: Python's, Airflow's, the DAG folder's own."""
        top = module.split(".")[0]
        if top in sys.stdlib_module_names or top == "airflow" or top.startswith(("unusual_prefix_", "_")):
            return True
        file = getattr(sys.modules.get(module), "__file__", None) or ""
        return file.startswith(self.guard.dags)

    def _digest(self, dags: list, outcome: Outcome, with_json: bool) -> None:
        for dag in dags:
            try:
                serialized = DagSerialization.to_dict(dag)
            except Exception:
                serialized = {}  # the first process says so
            outcome.digests[dag.dag_id] = digest(json.dumps(serialized, sort_keys=True))
            if with_json:
                outcome.serialized[dag.dag_id] = serialized

    def _check(
        self, outline: Outline, dags: list, added: set[str], outcome: Outcome, with_json: bool
    ) -> None:
        path = outline.path
        name = path.relative_to(self.root).as_posix()
        outcome.findings += self._refusals()
        for text in self.bag.import_errors.values():
            if RefusedAtImport.__name__ not in text:
                outcome.findings.append(explain(text, name, self.root, self.dags, outline, self.policy))
        outcome.findings += self._warnings(path, name)
        outcome.findings += self._added_modules(outline, name, added)
        if (printed := os.fstat(self.output).st_size) > self.policy.max_output:
            wrong = f"The file prints {printed:,} bytes each time it is parsed"
            outcome.findings.append(Finding(name, 1, "output", wrong, "Print inside tasks only"))
        if not dags and not outcome.findings:
            outcome.findings.append(self._no_dag(outline, name))
        for dag in dags:
            checked = Checked(dag, self.stated.get(id(dag), {}), outline, self.policy)
            if dag.dag_id in outcome.digests:
                wrong = f"{dag.dag_id} is the dag_id of two DAGs of this file, and Airflow keeps one of them"
                outcome.findings.append(
                    Finding(
                        name, checked.line, "duplicate-dag-id", wrong, "Give each its own dag_id", dag.dag_id
                    )
                )
            outcome.findings += check_dag(checked, name)
            serialized = self._serialize(dag, checked, name, outcome)
            if with_json:
                outcome.serialized[dag.dag_id] = serialized
            outcome.dags.append(
                {"dag_id": dag.dag_id, "line": checked.line, "tasks": len(dag.tasks)}
                | asset_facts(dag, outline)
            )

    def _serialize(self, dag, checked: Checked, name: str, outcome: Outcome) -> dict:
        def report(wrong: str, write: str) -> None:
            outcome.findings.append(Finding(name, checked.line, "serialization", wrong, write, dag.dag_id))

        try:
            serialized = DagSerialization.to_dict(dag)
        except Exception as error:
            report(f"DAG {dag.dag_id} cannot be serialized: {_first_line(error)}", PLAIN_VALUES)
            serialized = {}
        text = json.dumps(serialized, sort_keys=True)
        outcome.digests[dag.dag_id] = digest(text)
        if not serialized:
            return serialized
        if match := " at 0x" in text and re.search(r"[^\"]{0,40} at 0x[0-9a-f]{6,}", text):
            wrong = f"A value is serialized with its address in memory, another in each process: {match[0]}"
            report(wrong, "Give the operator a plain value, or define __repr__ or serialize() of that class")
        try:
            again = DagSerialization.from_dict(json.loads(text))
        except Exception as error:
            report(
                f"DAG {dag.dag_id} cannot be deserialized: {_first_line(error)}",
                PLAIN_VALUES,
            )
            return serialized
        if lost := _differences(dag, again):
            report(f"Serialized and read again, the DAG differs in {some(lost)}", PLAIN_VALUES)
        return serialized

    def _refusals(self) -> list[Finding]:
        return [
            Finding(
                Path(path).relative_to(self.root).as_posix(), line, "forbidden-at-import",
                f"The file {what} when it is parsed", MOVE_INTO_TASK,
            )
            for path, line, what in self.guard.refusals
        ]  # fmt: skip

    def _warnings(self, path: Path, name: str) -> list[Finding]:
        """Airflow's own warnings about what it deprecated, where this file is to blame."""
        found = []
        for text in self.bag.captured_warnings.get(str(path), ()):
            match = re.match(r"(.*):(\d+): ([\w.]+): (.*)", text, re.S)
            if match and match[1] == str(path) and re.search(r"RemovedInAirflow|airflow.*Deprec", match[3]):
                write = "Write what the message says"
                found.append(Finding(name, int(match[2]), "airflow-3", _first_line(match[4]), write))
        return found

    def _added_modules(self, outline: Outline, name: str, added: set[str]) -> list[Finding]:
        """The heavy modules that came in although no import of the DAG folder names one."""
        heavy = sorted(
            {heavy_module(module, self.policy) for module in added if self._foreign(module)} - {None}
        )
        if not heavy or any(heavy_module(module, self.policy) for module, _ in outline.imports):
            return []
        line = next((line for module, line in outline.imports if module in added), 1)
        return [Finding(name, line, "heavy-import", *heavy_import_words(some(heavy)))]

    @staticmethod
    def _foreign(module: str) -> bool:
        return not module.startswith("unusual_prefix_")

    def _no_dag(self, outline: Outline, name: str) -> Finding:
        if outline.dag_calls:
            called = outline.dag_calls[0].function
            write = (
                f"Call {called}() at the end of the file" if called else "See why that line is not reached"
            )
            wrong = "The file has a DAG in it, and parsing it makes none"
            return Finding(name, outline.dag_line(""), "no-dag", wrong, write)
        write = "Make a DAG in it, or add the file or its folder to .airflowignore"
        return Finding(
            name, 1, "no-dag", "Airflow parses this file again and again, and it has no DAG", write
        )


def digest(text: str) -> str:
    """A short text that is equal for equal texts."""
    return hashlib.sha256(text.encode()).hexdigest()


def _differences(dag, again) -> list[str]:
    """What of the DAG a scheduler would see otherwise after it was serialized and deserialized."""
    lost = [
        name
        for name in (
            "dag_id",
            "description",
            "catchup",
            "max_active_runs",
            "dagrun_timeout",
            "start_date",
            "end_date",
        )
        if getattr(dag, name) != getattr(again, name)
    ]
    if set(dag.tags) != set(again.tags):
        lost.append("tags")
    if dag.params.dump() != again.params.dump():
        lost.append("params")
    if sorted(dag.task_dict) != sorted(again.task_dict):
        return [*lost, "tasks"]
    for task_id, task in dag.task_dict.items():
        other = again.task_dict[task_id]
        if task.downstream_task_ids != other.downstream_task_ids:
            lost.append(f"what follows {task_id}")
        lost += [
            f"{name} of {task_id}"
            for name in ("pool", "owner")
            if getattr(task, name) != getattr(other, name)
        ]
    return lost


def _first_line(error: object) -> str:
    return str(error).strip().split("\n")[0]


def _take_over(dags: Path) -> None:
    """Make this process like a pod: the DAG folder on the path, nothing else of the repository."""
    checks = str(Path(__file__).resolve().parent.parent.parent)
    sys.path[:] = [entry for entry in sys.path if entry not in ("", checks)]
    if str(dags) not in sys.path:
        sys.path.append(str(dags))
    sys.dont_write_bytecode = True
    os.chdir(tempfile.gettempdir())
    resource.setrlimit(resource.RLIMIT_FSIZE, (MOST_OUTPUT, MOST_OUTPUT))
    gc.disable()
    warnings.simplefilter("always")
    warnings.showwarning = lambda *_, **__: None


def _redirect_output() -> int:
    """Send what this process prints into a nameless file, and return its descriptor."""
    with tempfile.TemporaryFile("ab") as file:
        descriptor = os.dup(file.fileno())
    for standard in (1, 2):
        os.dup2(descriptor, standard)
    sys.stdout = open(1, "w", buffering=1, closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, closefd=False)  # noqa: SIM115
    return descriptor


def _validate_once() -> None:
    """Airflow validates a param's default whenever it looks at one; once will do."""
    original: Any = jsonschema.validate
    sound = set()

    @functools.wraps(original)
    def validate(instance, schema, *args, **kwargs):
        key = repr((instance, schema))
        if key not in sound:
            original(instance, schema, *args, **kwargs)
            sound.add(key)

    jsonschema.validate = validate


def _read_locale_once() -> None:
    """What puts cron expressions into words reads its translations for each of them; once will do."""
    module = sys.modules.get("cron_descriptor.ExpressionDescriptor")
    if hasattr(module, "GetText"):
        module.GetText = functools.cache(module.GetText)


@functools.cache
def _scratch_dag(text: str) -> Path:
    """A DAG file of our own, outside the DAG folder."""
    path = Path(tempfile.mkdtemp(prefix="dag-integrity-")) / "scratch_dag.py"
    path.write_text(text, encoding="utf-8")
    atexit.register(shutil.rmtree, path.parent, ignore_errors=True)
    return path


def warm_up() -> float:
    """Make Airflow load what it loads with the first DAG, and return the CPU seconds of an empty DAG file."""
    bag = DagBag(os.devnull, collect_dags=False)
    seconds = []
    for text in (USUAL_DAG, EMPTY_DAG, EMPTY_DAG, EMPTY_DAG):
        path = str(_scratch_dag(text))
        started = time.process_time()
        dags = bag.process_file(path, only_if_updated=False)
        seconds.append(time.process_time() - started)
        DagSerialization.from_dict(DagSerialization.to_dict(dags[0]))
        bag.dags.clear()
    return min(seconds)
