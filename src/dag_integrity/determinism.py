"""Proves of a file, by its syntax tree, that two parses cannot give two DAGs: it needs no second parse.

Every value in such a file is made of constants by what is listed here, which brings in no set but a sorted
one, no clock, listing or random number. What is not listed is not trusted, and the file is parsed twice.
It misses letters that are cut out of an object's text, with its address in memory: sorted(f"{a_function}").
"""

from __future__ import annotations

import ast
import builtins
import sys

from .source import Source
from .syntax import FUNCTIONS, IMPORTS, Node, decorator_of, dotted, imported

SDK = ("Asset", "DAG", "Label", "Param", "TaskGroup", "chain", "dag", "task_group")
OPERATORS = ("bash.BashOperator", "empty.EmptyOperator", "python.PythonOperator")
TASKS = {"airflow.sdk.task", "airflow.sdk.task.branch", "airflow.sdk.task.short_circuit"}
KNOWN = {f"airflow.sdk.{name}" for name in SDK} | TASKS
KNOWN |= {f"airflow.providers.standard.operators.{name}" for name in OPERATORS}
KNOWN |= {"datetime", "datetime.date", "datetime.datetime", "datetime.timedelta", "datetime.timezone"}
KNOWN |= {"datetime.timezone.utc", "pendulum", "pendulum.datetime", "pendulum.duration"}
BUILTINS = {"__doc__", "__file__", "bool", "dict", "enumerate", "float", "int", "len", "list", "print"}
BUILTINS |= {"range", "sorted", "tuple", "zip"}
METHODS = {"append", "expand", "extend", "get", "items", "join", "keys", "override", "partial", "values"}
NODES = (
    ast.Module, ast.Expr, ast.Assign, ast.Return, ast.Pass, ast.Assert, ast.If, ast.For, ast.With,
    ast.withitem, ast.Constant, ast.JoinedStr, ast.List, ast.Tuple, ast.Dict, ast.ListComp, ast.DictComp,
    ast.comprehension, ast.Call, ast.keyword, ast.Starred, ast.IfExp, ast.BoolOp, ast.boolop, ast.UnaryOp,
    ast.unaryop, ast.BinOp, ast.Add, ast.Mult, ast.RShift, ast.LShift, ast.Compare, ast.Eq, ast.NotEq,
    ast.In, ast.NotIn, ast.Is, ast.IsNot,
)  # fmt: skip


def is_deterministic(source: Source) -> bool:
    """Whether this holds for the file if it does for the modules of the DAG folder that it imports."""
    names = _names(source)
    if source.error or names is None:
        return False
    pending: list[Node] = [source.tree]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.FunctionDef):
            # The body of a task does not run; annotations only must not do anything.
            decorators = {source.full_name(decorator_of(decorator)) for decorator in node.decorator_list}
            arguments = [argument for argument in ast.walk(node.args) if isinstance(argument, ast.arg)]
            annotations = filter(None, [node.returns, *(argument.annotation for argument in arguments)])
            inside = [part for annotation in annotations for part in ast.walk(annotation)]
            deterministic = decorators <= KNOWN and not any(isinstance(n, (ast.Call, ast.NamedExpr)) for n in inside)
            pending += [*node.decorator_list, *node.args.defaults, *filter(None, node.args.kw_defaults)]
            pending += [] if decorators & TASKS else node.body
        elif isinstance(node, IMPORTS):
            # Names that may not be used can be imported, as tasks use them.
            modules = imported(node).values()
            deterministic = node in source.tree.body and all(_may_import(source, module) for module in modules)
        else:
            deterministic = _is_deterministic_node(source, node, names)
            pending += source.children[node]
        if not deterministic:
            return False
    return True


def _names(source: Source) -> set[str] | None:
    """The names that a deterministic file may use; nothing where one of them stands for two things."""
    bound: set[str] = set()
    names: dict[str, str] = {}
    for node in source.nodes:
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            bound.add(node.id)
        elif isinstance(node, ast.arg):
            bound.add(node.arg)
        elif isinstance(node, FUNCTIONS):
            bound.add(node.name)
        elif isinstance(node, IMPORTS):
            for name, full in imported(node).items():
                if names.setdefault(name, full) != full:
                    return None
    if bound & names.keys() or (bound | names.keys()) & BUILTINS:
        return None
    bound |= {name for name, full in names.items() if full in KNOWN or source.own_module(full)}
    return {name for name in bound if not hasattr(builtins, name) and not name.startswith("__")} | BUILTINS


def _may_import(source: Source, name: str) -> bool:
    harmless = name.startswith(("airflow.sdk", "airflow.providers.standard", "pendulum"))
    harmless = harmless or name.split(".")[0] in sys.stdlib_module_names or bool(source.own_module(name))
    return harmless and "*" not in name


def _is_deterministic_node(source: Source, node: Node, names: set[str]) -> bool:
    if isinstance(node, ast.Name):
        return node.id in names
    if isinstance(node, ast.Attribute):
        known = node.attr in METHODS or source.full_name(node) in KNOWN
        return known and isinstance(node.ctx, ast.Load)
    if isinstance(node, ast.Subscript):
        return isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str)
    if isinstance(node, ast.Set):
        outer = source.parents[node]
        return isinstance(outer, ast.Call) and dotted(outer.func) == "sorted" and not outer.keywords
    if isinstance(node, ast.FormattedValue):
        return node.format_spec is None
    return isinstance(node, NODES)
