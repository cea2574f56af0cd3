"""The rules about code that Airflow takes and that goes wrong when it runs: each gets a `Source`."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Any

from ..model import Found, problem, rule
from ..source import Source
from ..syntax import FUNCTIONS, Node, dotted, walk
from .files import REMOVED_VARIABLES

CALLBACK = re.compile(r"^on_\w+_callback$")
WORKS_ON = {"float", "int", "json.loads", "yaml.safe_load", "datetime.datetime.fromisoformat"}
OF_TEXTS = {"endswith", "isdigit", "lower", "partition", "removeprefix", "removesuffix", "rpartition", "rsplit"}
OF_TEXTS |= {"split", "splitlines", "startswith", "upper", "zfill"}
CONTEXT = ("context", "ctx", "kwargs")
FLOWS = (ast.If, ast.IfExp, ast.While)


@rule("output-in-if", "file", "Write @task.branch or @task.short_circuit, which ask when it has run")
def _output_in_if(source: Source) -> Found:
    """No `if` asks for a task's output while the file is parsed."""
    tasks = {node.name for node in source.nodes if source.is_task(node)}
    at_parse = source.at_parse if tasks else []
    outputs: set[str] = set()
    for node in at_parse:
        if isinstance(node, ast.Assign) and _is_output(node.value, tasks, outputs):
            outputs |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    for node in at_parse:
        if isinstance(node, FLOWS):
            sides = [node.test, *getattr(node.test, "values", []), getattr(node.test, "operand", None)]
            sides += [getattr(node.test, "left", None), *getattr(node.test, "comparators", [])]
            none = any(isinstance(one, ast.Constant) and one.value is None for one in sides)
            if not none and any(_is_output(one, tasks, outputs) for one in sides if one):
                yield problem("The output of a task is not known when the file is parsed", node.test.lineno)


def _is_output(node: Node, tasks: set[str], outputs: set[str]) -> bool:
    if isinstance(node, ast.Subscript):
        node = node.value
    called = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in tasks
    return called or (isinstance(node, ast.Name) and node.id in outputs)


@rule("init-logic", "file", "Do that in execute(): the field holds the template, not its value, until then")
def _init_logic(source: Source) -> Found:
    """An operator's constructor does not work on a templated field, which is rendered later."""
    for init, fields in _constructors(source):
        for node in walk(init):
            given = None
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in OF_TEXTS:
                given = node.func.value
            elif isinstance(node, ast.Call) and source.full_name(node.func) in WORKS_ON and node.args:
                given = node.args[0]
            elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load):
                given = node.value
            name = dotted(given).removeprefix("self.") if isinstance(given, (ast.Name, ast.Attribute)) else ""
            if name in fields:
                yield problem(f"__init__ works on {name}, a template until it is rendered", node.lineno)


def _constructors(source: Source) -> Iterator[tuple[Any, set[str]]]:
    for node in source.nodes:
        bases = [dotted(base) for base in node.bases] if isinstance(node, ast.ClassDef) else []
        if any(re.search("Operator|Sensor", base) for base in bases):
            fields = set()
            for part in node.body:
                targets = part.targets if isinstance(part, ast.Assign) else [getattr(part, "target", None)]
                if any(dotted(target) == "template_fields" for target in targets if target):
                    inside = walk(part.value) if part.value else ()
                    fields |= {n.value for n in inside if isinstance(getattr(n, "value", None), str)}
            for part in node.body:
                if isinstance(part, ast.FunctionDef) and part.name == "__init__":
                    yield part, fields


@rule("task-id-again", "file", "Take that line out: in a task group the id has the group's name in front")
def _task_id_again(source: Source) -> Found:
    """An operator's constructor leaves its task_id alone."""
    for init, _ in _constructors(source):
        for node in walk(init):
            targets = [dotted(target) for target in node.targets] if isinstance(node, ast.Assign) else []
            if "self.task_id" in targets:
                yield problem("__init__ sets self.task_id again, without the task group's name", node.lineno)


@rule("super-init", "file", "Write super().__init__(**kwargs) in it")
def _super_init(source: Source) -> Found:
    """An operator's constructor calls that of its base: or no DAG gets the task."""
    for init, _ in _constructors(source):
        kind = source.parents[init]
        called = any(isinstance(n, ast.Attribute) and n.attr == "__init__" for n in ast.walk(init))
        if not called and any(re.match(r"airflow\.", source.full_name(base)) for base in kind.bases):
            yield problem(f"{kind.name}.__init__ does not call super().__init__()", init.lineno)


@rule("operator-in-task", "file", "Make it a task of the DAG; in a task use the hook")
def _operator_in_task(source: Source) -> Found:
    """No task executes an operator, which cannot defer, retry or be seen there."""
    at_parse = set(source.at_parse)
    for node in source.nodes:
        called = node.func if isinstance(node, ast.Call) else None
        if isinstance(called, ast.Attribute) and called.attr == "execute":
            made = called.value
            name = source.full_name(made.func) if isinstance(made, ast.Call) else ""
            inside = any(isinstance(outer, ast.ClassDef) for outer in source.around(node))  # an operator's own
            if re.match(r"airflow\..*(Operator|Sensor)$", name) and not inside and node not in at_parse:
                yield problem(f"A task executes {name.split('.')[-1]} inside itself", node.lineno)


@rule("context-key", "file", "Use a key of Airflow 3's context", since="3")
def _context_key(source: Source) -> Found:
    """What is taken from the context is in it."""
    for node in source.nodes:
        if not isinstance(node, ast.Subscript) or dotted(node.value) not in CONTEXT:
            continue
        name = getattr(node.slice, "value", None)
        own = name == "conf" and dotted(node.value) == "kwargs"  # an argument's name, too
        around = [n for outer in source.around(node) if isinstance(outer, FUNCTIONS) for n in outer.body]
        made = [n for n in around if isinstance(n, ast.Assign) and isinstance(n.value, ast.Dict)]
        own |= any(dotted(n.targets[0]) == dotted(node.value) for n in made)
        if isinstance(name, str) and (new := REMOVED_VARIABLES.get(name)) and not own:
            write = f'Write context["{new}"]' if new.isidentifier() else "Make it from logical_date"
            write = "Write from airflow.sdk.configuration import conf" if name == "conf" else write
            if node.lineno not in source.either:
                yield problem(f"{name} is not in the context of Airflow 3", node.lineno, write)


@rule("called-callback", "file", "Leave the () out: Airflow calls it")
def _called_callback(source: Source) -> Found:
    """A callback is given, not called when the file is parsed."""
    functions = {node.name: node for node in source.nodes if isinstance(node, ast.FunctionDef)}
    for node in source.at_parse:
        called = isinstance(node, ast.keyword) and isinstance(node.value, ast.Call)
        if called and CALLBACK.match(node.arg or ""):
            function = functions.get(dotted(node.value.func))
            if function is not None and not _gives(function):
                wrong = f"{function.name}() is called when the file is parsed, and gives nothing"
                yield problem(wrong, node.value.lineno)


def _gives(function: ast.FunctionDef) -> bool:
    """Whether it returns a value, or may."""
    inside = [n for n in walk(function) if isinstance(n, (ast.Return, ast.Yield))]
    some_value = [n for n in inside if not (n.value is None or getattr(n.value, "value", "") is None)]
    return bool(some_value or function.decorator_list)


@rule("trigger-class", "file", "Put it into plugins/ or into a package in the image", since="3")
def _trigger_class(source: Source) -> Found:
    """No trigger is defined in the DAG folder, from which the triggerer cannot import it."""
    for node in source.nodes:
        if isinstance(node, ast.ClassDef):
            bases = [source.full_name(base) for base in node.bases]
            if any(re.match(r"airflow\..*\bBase(Event)?Trigger$", base) for base in bases):
                yield problem(f"The triggerer cannot import {node.name} from the DAG folder", node.lineno)


@rule("process-state", "file", "Move it into a task, or give the task env")
def _process_state(source: Source) -> Found:
    """Nothing changes the environment, the directory or the threads of the process that parses."""
    for node in source.at_parse:
        what = ""
        if isinstance(node, (ast.Assign, ast.Delete)):
            for target in node.targets:
                if isinstance(target, ast.Subscript) and source.full_name(target.value) == "os.environ":
                    what = "changes os.environ"
        elif isinstance(node, ast.Call):
            name = source.full_name(node.func)
            if name in ("os.putenv", "os.environ.update", "os.environ.setdefault", "os.environ.pop"):
                what = "changes os.environ"
            elif name == "os.chdir":
                what = "changes the directory"
            elif name in ("threading.Thread", "threading.Timer", "threading.Thread.start"):
                what = "makes a thread"
        if what:
            yield problem(f"The file {what} when it is parsed", node.lineno)
