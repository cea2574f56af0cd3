"""The rules about what a task gives to others and takes from them: each gets a `Dag`."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from typing import Any

from ..facts import Dag, arguments_of, callable_of, code_of, function_of, mapped_values, templates_of
from ..model import Found, problem, rule, some
from ..syntax import FUNCTIONS, dotted
from .tasks import OF_RUN, arguments_in, is_task, kinds_of, value_of

ASKS = {
    "ShortCircuit": "every task after it is skipped",
    "Branch": "every task after it is skipped",
    "Sensor": "it waits until its time is up",
    "BashDecorated": "it fails for want of a command",
}
# What is no Metadata of an asset
PLAIN = (ast.Constant, ast.Dict, ast.List, ast.Tuple, ast.Name, ast.JoinedStr, ast.BinOp)
DECORATED = re.compile(r"Decorated")


def returns_of(function: ast.AST) -> list[ast.Return]:
    return [node for node in own_nodes(function) if isinstance(node, ast.Return)]


def own_nodes(function: ast.AST) -> Iterator[ast.AST]:
    """What is in a function, without the functions and classes inside it."""
    pending = list(ast.iter_child_nodes(function))
    while pending:
        node = pending.pop()
        yield node
        if not isinstance(node, (*FUNCTIONS, ast.Lambda, ast.ClassDef)):
            pending += ast.iter_child_nodes(node)


@rule(
    "xcom-own", "dag", "Name the task: xcom_pull(task_ids=…); without, Airflow 3 asks the task itself", since="3"
)  # fmt: skip
def _xcom_own(c: Dag) -> Found:
    """What is pulled without task_ids, which means the task itself in Airflow 3, was pushed by it."""
    for task, field, text in templates_of(c):
        if re.search(r"xcom_pull\(\s*(key\s*=\s*(['\"])[^'\"]*\2\s*)?\)", text):
            yield problem(f"{task.task_id}, {field}: xcom_pull() names no task", task)
    for task in c.dag.tasks if "xcom_pull" in c.source.text else ():
        calls = [n for n in code_of(c, task) if isinstance(n, ast.Call)]
        pushes = any(getattr(call.func, "attr", "") == "xcom_push" for call in calls)
        for call in calls if not pushes else ():
            asked = {keyword.arg for keyword in call.keywords}
            if getattr(call.func, "attr", "") == "xcom_pull" and not call.args and asked <= {"key", "default"}:
                yield problem(f"{task.task_id} pulls from no task by name", call.lineno)
    for node in c.source.nodes if "xcom_pull" in c.source.text else ():
        pulls = isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "xcom_pull"
        if pulls and any(one.arg == "key" and getattr(one.value, "value", "") is None for one in node.keywords):
            yield problem("xcom_pull(key=None) is refused by Airflow 3", node.lineno, "Name the key that you want")
    for task in c.dag.tasks if "xcom_pull" in c.source.text else ():
        for call in [n for n in code_of(c, task) if isinstance(n, ast.Call)]:
            named = [one.value for one in call.keywords if one.arg == "task_ids"] or call.args[:1]
            given = dotted(named[0]) if named and isinstance(named[0], ast.Name) else ""
            if getattr(call.func, "attr", "") == "xcom_pull" and is_task(value_of(callable_of(task), given)):
                write = f'Write task_ids="…", or give {given}() to the task as an argument'
                yield problem(f"{task.task_id} pulls from {given}, which is no text", call.lineno, write)


@rule("xcom-key", "dag", "Write @task(multiple_outputs=True) on it, or take its whole value")
def _xcom_key(c: Dag) -> Found:
    """What is taken out of a task's output by a key is pushed under that key."""
    for task in c.dag.tasks:
        for output in _outputs_in(task):
            maker, key = output.operator, output.key
            function, decorated = function_of(c, maker), DECORATED.search(str(kinds_of(maker)))
            if key == "return_value" or not (isinstance(function, FUNCTIONS) and decorated):
                continue
            names = {n.id for n in ast.walk(function) if isinstance(n, ast.Name)}
            names |= {n.arg for n in arguments_in(function)}
            pushes = names & {*OF_RUN, "context", "kwargs", "get_current_context"}
            if not (_has_many(maker) or pushes):
                wrong = f"{maker.task_id} pushes one value, and none under {key}"
                taken = [n for n in c.source.nodes if isinstance(n, ast.Subscript)]
                lines = [n.lineno for n in taken if getattr(n.slice, "value", 0) == key]
                yield problem(wrong, lines[0] if len(lines) == 1 else task)


def _has_many(task: Any) -> bool:
    return bool(arguments_of(task).get("multiple_outputs") or getattr(task, "multiple_outputs", False))


def _outputs_in(task: Any) -> Iterator[Any]:
    """The outputs of other tasks among what a task is given."""
    pending: list[Any] = [arguments_of(task), getattr(task, "op_kwargs", None), getattr(task, "op_args", None)]
    seen: set[tuple[str, str]] = set()
    pending += mapped_values(task)
    while pending:
        one = pending.pop()
        if type(one).__name__ == "PlainXComArg" and (one.operator.task_id, one.key) not in seen:
            seen.add((one.operator.task_id, one.key))
            yield one
        elif isinstance(one, (list, tuple)):
            pending += one
        elif isinstance(one, dict):
            pending += one.values()


@rule("multiple-outputs", "dag", "Return a dict with names as keys, or write multiple_outputs=False")
def _multiple_outputs(c: Dag) -> Found:
    """A task with multiple outputs, by its argument or by `-> dict`, returns a dict with texts as keys."""
    values = (ast.List, ast.Tuple, ast.Set, ast.ListComp, ast.SetComp, ast.JoinedStr)
    for task in c.dag.tasks:
        python = any("Python" in kind for kind in kinds_of(task))  # or a command's output is split
        function = function_of(c, task) if python and _has_many(task) else None
        for node in returns_of(function) if isinstance(function, FUNCTIONS) else ():
            value = node.value
            none = value is None or (isinstance(value, ast.Constant) and value.value is None)
            if isinstance(value, values) or (isinstance(value, ast.Constant) and not none):
                yield problem(f"{task.task_id} has multiple outputs, and what it returns is no dict", node.lineno)
            keys = [getattr(key, "value", "") for key in value.keys] if isinstance(value, ast.Dict) else []
            if strange := [key for key in keys if isinstance(key, (int, float))]:
                wrong = f"{task.task_id} has multiple outputs, and {some(strange)} as a key is no text"
                yield problem(wrong, node.lineno)


@rule("xcom-generator", "dag", "Return a list; or write into storage, and return the path")
def _xcom_generator(c: Dag) -> Found:
    """No task yields anything but Metadata of assets, or returns a generator, a function or an open file."""
    for task in c.dag.tasks:
        function = function_of(c, task)
        pushes = arguments_of(task).get("do_xcom_push", True)
        # A function under @asset yields what it says of its assets
        asks = any(name in kind for kind in kinds_of(task) for name in ("Sensor", "Branch", "_Asset"))
        yields = [n for n in own_nodes(function or ast.Pass()) if isinstance(n, (ast.Yield, ast.YieldFrom))]
        told = any("Metadata" in (getattr(n, "id", ""), getattr(n, "attr", "")) for n in c.source.nodes)
        if told or not all(isinstance(n.value, PLAIN) for n in yields):
            yields = []  # of an asset's event, or maybe so
        python = any("Python" in kind or DECORATED.search(kind) for kind in kinds_of(task))
        if yields and pushes and python and not asks and inspect.isgeneratorfunction(callable_of(task)):
            yield problem(f"{task.task_id} yields, and what it yields gets lost", min(n.lineno for n in yields))
        for node in returns_of(function) if isinstance(function, FUNCTIONS) and pushes and python and not asks else ():
            opened = isinstance(node.value, ast.Call) and c.source.full_name(node.value.func) == "open"
            if isinstance(node.value, (ast.Lambda, ast.GeneratorExp)) or opened:
                kind = "an open file" if opened else type(node.value).__name__.removesuffix("Exp").lower()
                yield problem(f"{task.task_id} returns {kind}, which Airflow cannot keep", node.lineno)


@rule("answer", "dag", "Return the answer in every case")
def _answer(c: Dag) -> Found:
    """The function of a branch, a short circuit or a sensor gives an answer, a branch one of texts."""
    for task in c.dag.tasks:
        function, called = function_of(c, task), callable_of(task)
        kinds = " ".join(kinds_of(task))
        why = next((why for name, why in ASKS.items() if name in kinds), "")
        poke = getattr(getattr(getattr(task, "operator_class", type(task)), "poke", None), "__code__", None)
        if poke is not None and poke.co_filename == str(c.source.path):
            function, called = c.source.functions.get(poke.co_firstlineno), None
        if isinstance(function, ast.Lambda) and why and dotted(getattr(function.body, "func", function)) == "print":
            yield problem(f"{task.task_id} returns nothing: {why}", function.lineno)
        if not why or not isinstance(function, FUNCTIONS) or inspect.isgeneratorfunction(called):
            continue
        returned = [node.value for node in returns_of(function)]
        answers = [one for one in returned if one is not None and getattr(one, "value", "") is not None]
        raises = any(isinstance(node, ast.Raise) for node in own_nodes(function))
        if not answers and not raises:
            yield problem(f"{task.task_id} returns nothing: {why}", function.lineno)
        for node in answers if "Branch" in kinds else ():
            if isinstance(node, ast.Name) and is_task(value_of(called, node.id)):
                write = f"Return its task_id, a text: {node.id}.task_id, or of a function under @task its name"
                yield problem(f"{task.task_id} returns a task, {node.id}", node.lineno, write)
