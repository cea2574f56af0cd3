"""Questions about syntax trees, which know nothing of files."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from typing import Any, cast

LARGE = 500_000  # characters
NOT_LITERAL: Any = object()
# A node of a syntax tree; of which kind, and so what it has, is asked where it is used.
Node = Any
IMPORTS = (ast.Import, ast.ImportFrom)
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def compact(tree: ast.Module, size: int) -> ast.Module:
    """In a large file, put one constant in the place of a table's literals, whose nodes take much memory."""
    pending: list[Node] = [tree] if size > LARGE else []
    while pending:
        node = pending.pop()
        if isinstance(node, (ast.List, ast.Tuple)) and len(node.elts) > 1000:
            elements: list[Node] = []
            values: list[Any] = []
            for element in [*node.elts, None]:
                value = _literal(element)
                if value is not NOT_LITERAL:
                    values.append(value)
                    continue
                if values:
                    inside = ast.copy_location(ast.Constant(cast(Any, tuple(values))), node)
                    elements.append(ast.copy_location(ast.Starred(inside, ast.Load()), node))
                    values = []
                elements += [element] if element else []
            node.elts = elements
        pending += ast.iter_child_nodes(node)
    return tree


def _literal(node: Node) -> Any:
    """The value of a constant or of a tuple of them."""
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Tuple):
        values = tuple(map(_literal, node.elts))
        return values if NOT_LITERAL not in values else NOT_LITERAL
    return NOT_LITERAL


def walk(node: Node) -> Iterator[Node]:
    """The node and all in it."""
    return ast.walk(node)


def dotted(node: Node) -> str:
    """`a.b.c` as it is written, through calls; '' for anything else."""
    parts = []
    while isinstance(node, (ast.Attribute, ast.Call)):
        if isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        else:
            node = node.func
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else ""


def imported(node: ast.Import | ast.ImportFrom) -> dict[str, str]:
    """The names that an import statement binds, and what they stand for; a relative one starts with a dot."""
    if isinstance(node, ast.ImportFrom):
        start = f"{'.' * node.level}{node.module or ''}."
        return {alias.asname or alias.name: start + alias.name for alias in node.names}
    tops = {alias.name.split(".")[0] for alias in node.names if not alias.asname}
    return {alias.asname: alias.name for alias in node.names if alias.asname} | {top: top for top in tops}


def decorator_of(node: Node) -> Node:
    """A decorator without its arguments."""
    return node.func if isinstance(node, ast.Call) else node


def first_line(node: Node) -> int:
    """The line where a definition starts, decorators included."""
    line: int = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
    return line


def nodes_at_parse(
    tree: ast.Module, children: dict[Node, list[Node]], runs_in_task: Callable[[Node], bool]
) -> Iterator[Node]:
    """Walk the module's body, and the bodies of those of its functions that this calls."""
    functions: dict[str, Node] = {}
    called: list[str] = []
    pending: list[Node] = [tree]
    entered = set()
    while pending:
        stack = [pending.pop()]
        while stack:
            node = stack.pop()
            yield node
            if isinstance(node, ast.ClassDef):  # to call it is to call its constructor
                functions.update((node.name, part) for part in node.body if getattr(part, "name", "") == "__init__")
            if isinstance(node, FUNCTIONS):
                functions[node.name] = node
                stack += [*node.decorator_list, *node.args.defaults, *filter(None, node.args.kw_defaults)]
            elif isinstance(node, ast.Lambda):
                stack += [*node.args.defaults, *filter(None, node.args.kw_defaults)]
            elif isinstance(node, ast.If) and never_at_parse(node.test):
                stack += node.orelse
            else:
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                    called.append(node.func.id)
                stack += children[node]
        for name in called:
            function = functions.get(name)
            if function is not None and function not in entered:
                entered.add(function)
                if not runs_in_task(function):
                    pending += function.body


def never_at_parse(test: Node) -> bool:
    """Whether this is the test of `if TYPE_CHECKING:` or `if __name__ == "__main__":`."""
    if isinstance(test, ast.Compare):
        return isinstance(test.left, ast.Name) and test.left.id == "__name__"
    return dotted(test).endswith("TYPE_CHECKING")
