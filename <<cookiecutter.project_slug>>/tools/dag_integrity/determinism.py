"""Tells files whose DAGs cannot differ between two parses from those that are parsed twice to see.

A file is left out of the second parse only if its code, and that of all the DAG folder's modules that it
imports, has nothing in it that may come out otherwise another time: only modules that are known for that, no
sets, no listings, no clock, no files. What it uses of Airflow and its providers must have stood the test in
another file.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from .source import RUN_IN_TASKS, Source, decorator_name

# Modules whose results depend on their arguments alone (of datetime and os, see below).
SAME_EACH_TIME = {
    "__future__", "abc", "airflow", "collections", "contextlib", "dataclasses", "datetime", "decimal",
    "enum", "functools", "itertools", "json", "logging", "math", "operator", "os", "pathlib", "pendulum",
    "re", "string", "textwrap", "types", "typing",
}  # fmt: skip
DOUBTFUL_NAMES = {
    "__import__", "compile", "dir", "eval", "exec", "frozenset", "globals", "hash", "id", "locals", "object",
    "open", "set", "vars",
}  # fmt: skip
# Clocks, listings, and the sets that DAGs and tasks hold.
DOUBTFUL_ATTRIBUTES = {
    "cwd", "downstream_task_ids", "fromtimestamp", "glob", "home", "iterdir", "now", "rglob", "stat", "tags",
    "today", "tomorrow", "upstream_task_ids", "utcnow", "walk", "yesterday",
}  # fmt: skip
OF_OS = {"os.environ", "os.environ.get", "os.getenv", "os.path", "os.sep", "os"}


def may_differ(source: Source, is_dag_file: bool, own_modules: set[str]) -> bool:
    """Whether this file's code may give something else another time."""
    return any(_doubtful(node, source, own_modules) for node in _nodes(source.tree, is_dag_file))


def used_of_airflow(source: Source) -> set[str]:
    """The full names of what the file imports from Airflow and its providers."""
    return {name for name in source.names.values() if name.split(".")[0] == "airflow"}


def _nodes(tree: ast.AST, is_dag_file: bool) -> Iterator[ast.AST]:
    """All nodes; of a DAG file those outside its tasks."""
    stack = [tree]
    while stack:
        node = stack.pop()
        yield node
        if is_dag_file and isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and _is_task(node):
            stack += [*node.decorator_list, *node.args.defaults, *filter(None, node.args.kw_defaults)]
        else:
            stack += ast.iter_child_nodes(node)


def _is_task(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any(decorator_name(d).split(".")[0] in RUN_IN_TASKS - {"asset"} for d in node.decorator_list)


def _doubtful(node: ast.AST, source: Source, own_modules: set[str]) -> bool:
    if isinstance(node, (ast.Set, ast.SetComp)):
        return True
    if isinstance(node, ast.Name):
        return node.id in DOUBTFUL_NAMES
    if isinstance(node, ast.Attribute):
        if node.attr in DOUBTFUL_ATTRIBUTES:
            return True
        name = source.full_name(node)
        return name.startswith("os.") and not any(
            name == f or name.startswith(f"{f}.") for f in OF_OS - {"os"}
        )
    if isinstance(node, ast.Import):
        return any(not _trusted(alias.name, own_modules) for alias in node.names)
    if isinstance(node, ast.ImportFrom):
        known = not node.level and _trusted(node.module or "", own_modules) and node.module != "os"
        return not known or any(alias.name == "*" for alias in node.names)
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Sub, ast.BitAnd, ast.BitOr, ast.BitXor)):
        # The keys of two dicts taken together are a set.
        return any(isinstance(n, ast.Attribute) and n.attr in ("keys", "items") for n in ast.walk(node))
    return False


def _trusted(module: str, own_modules: set[str]) -> bool:
    top = module.split(".")[0]
    return top in SAME_EACH_TIME or top in own_modules
