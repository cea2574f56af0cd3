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
LAZY = {"enumerate", "filter", "iter", "map", "reversed", "zip"}


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
    """No task yields anything but Metadata of assets, or returns what Airflow cannot keep, as a generator."""
    for task in c.dag.tasks:
        function = function_of(c, task)
        pushes = arguments_of(task).get("do_xcom_push", True)
        # A function under @asset yields what it says of its assets
        asks = any(name in kind for kind in kinds_of(task) for name in ("Sensor", "Branch", "_Asset"))
        yields = [n for n in own_nodes(function or ast.Pass()) if isinstance(n, (ast.Yield, ast.YieldFrom))]
        says_more = any("Metadata" in (getattr(n, "id", ""), getattr(n, "attr", "")) for n in c.source.nodes)
        if says_more or not all(isinstance(n.value, PLAIN) for n in yields):
            yields = []  # of an asset's event, or maybe so
        python = any("Python" in kind or DECORATED.search(kind) for kind in kinds_of(task))
        if yields and pushes and python and not asks and inspect.isgeneratorfunction(callable_of(task)):
            yield problem(f"{task.task_id} yields, and what it yields gets lost", min(n.lineno for n in yields))
        for node in returns_of(function) if isinstance(function, FUNCTIONS) and pushes and python and not asks else ():
            made = node.value.func if isinstance(node.value, ast.Call) else None
            opened = getattr(made, "id", "") == "open"
            name = c.source.full_name(made) if made else ""
            lazy = name in LAZY or re.match(r"airflow\..*(Operator|Sensor)$", name)
            if lazy or _is_plain(value_of(callable_of(task), name)):
                wrong = f"{task.task_id} returns what {name}() gives, which Airflow cannot keep"
                yield problem(wrong, node.lineno, "" if lazy else "Return a dict, or make its class a @dataclass")
            if isinstance(node.value, (ast.Lambda, ast.GeneratorExp)) or opened:
                kind = "an open file" if opened else type(node.value).__name__.removesuffix("Exp").lower()
                yield problem(f"{task.task_id} returns {kind}, which Airflow cannot keep", node.lineno)


def _is_plain(kind: Any) -> bool:
    """Whether it is a class of which Airflow cannot write an object down, and no one else made it able to."""
    able = ("serialize", "__dataclass_fields__", "__attrs_attrs__")
    return isinstance(kind, type) and kind.__bases__ == (object,) and not any(hasattr(kind, one) for one in able)


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
        either = [(one.body, one.orelse) if isinstance(one, ast.IfExp) else (one,) for one in answers]
        parts = [part for one in either for some_of in one for part in getattr(some_of, "elts", [some_of])]
        for node in parts if "Branch" in kinds else ():
            if isinstance(node, ast.Compare) or isinstance(getattr(node, "value", None), bool):
                yield problem(f"{task.task_id} returns true or false, and no task_id", node.lineno, "Return a task_id")
            if isinstance(node, ast.Name) and is_task(value_of(called, node.id)):
                write = f"Return its task_id, a text: {node.id}.task_id, or of a function under @task its name"
                yield problem(f"{task.task_id} returns a task, {node.id}", node.lineno, write)


@rule("await", "dag", "Write await before it; in a function without async def, asyncio.run(…) around it")
def _await(c: Dag) -> Found:
    """What an async function gives is awaited, and no loop is started inside of one."""
    for task in c.dag.tasks:
        function = function_of(c, task)
        inside: list[Any] = list(own_nodes(function)) if isinstance(function, FUNCTIONS) else []
        names = {dotted(getattr(n, "iter", None) or n.value) for n in inside if type(n) in (ast.For, ast.Return)}
        names -= {dotted(n) for one in inside if type(one) in (ast.Await, ast.Call) for n in ast.walk(one)}
        calls = [(node, c.source.full_name(node.func)) for node in inside if isinstance(node, ast.Call)]
        for call, name in calls:
            to = c.source.parents[call]
            kept = isinstance(to, ast.Assign) and {dotted(target) for target in to.targets} & names
            lost = isinstance(to, (ast.Expr, ast.Return, ast.For)) or kept
            is_own = inspect.iscoroutinefunction(value_of(callable_of(task), name))
            if lost and (is_own or name in ("asyncio.sleep", "asyncio.gather")):
                yield problem(f"{task.task_id} does not await {name}(), which does nothing until then", call.lineno)
            if isinstance(function, ast.AsyncFunctionDef) and name == "asyncio.run":
                yield problem(f"{task.task_id}: asyncio.run() fails in a loop", call.lineno, "Write await instead")


@rule("unrendered", "dag", "Take ds or another name of the context as an argument: def load(ds=None)")
def _unrendered(c: Dag) -> Found:
    """A function's own texts are no templates: only what a task is given is rendered."""
    name = re.compile(rf"\{{\{{\s*({'|'.join(c.airflow.KNOWN_CONTEXT_KEYS)})\b")
    for task in c.dag.tasks if not re.search(r"jinja2|render_|Template\(", c.source.text) else ():
        function = function_of(c, task)
        if kinds_of(task)[0] != "_PythonDecoratedOperator" or not isinstance(function, FUNCTIONS):
            continue  # others render what the function returns
        for call in [node for node in own_nodes(function) if isinstance(node, ast.Call)]:
            texts = [one.value for one in call.args if isinstance(one, ast.Constant)]
            found = [match for text in texts if (match := name.search(str(text)))]
            if found and not re.search("replace|sub|format", ast.unparse(call.func)):
                yield problem(f"{task.task_id}: {{{{ {found[0][1]} }}}} in its code stays as it is", call.lineno)
