"""A Python file as text and syntax tree, with what the rules ask about it; nothing is imported."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

# Functions with these decorators run in a task, not when the file is parsed.
RUN_IN_TASKS = {"task", "asset", "setup", "teardown"}
EXEMPTION = re.compile(r"#\s*dag-integrity:\s*ignore\b\s*(?:\[([\w\s,-]*)\])?\s*(.*)")


class Comment(NamedTuple):
    """`# dag-integrity: ignore[rules] reason`; `line` is None where it stands alone, for the whole file."""

    at: int
    line: int | None
    rules: list[str]
    reason: str


class Import(NamedTuple):
    """A module that is imported while the file is parsed, and where."""

    module: str
    line: int


class DagCall(NamedTuple):
    """Where a DAG is made: the line, the decorated function's name, and the texts among the arguments."""

    line: int
    function: str
    texts: list[str]


class Outline(NamedTuple):
    """Where in a file its DAGs, tasks and imports stand; small enough to send to a worker."""

    path: Path
    dag_calls: list[DagCall]
    task_lines: dict[str, int]
    imports: list[Import]
    adds_partitions: bool

    def dag_line(self, dag_id: str) -> int:
        """The line of the call or decorator that makes this DAG; the first such where the id is computed."""
        for call in self.dag_calls:
            if dag_id and (dag_id in call.texts or dag_id == call.function):
                return call.line
        return min((call.line for call in self.dag_calls), default=1)

    def task_line(self, task_id: str, dag_id: str) -> int:
        """The line of this task, or of its DAG where the id is computed."""
        last = task_id.split(".")[-1]
        return self.task_lines.get(task_id) or self.task_lines.get(last) or self.dag_line(dag_id)


class Source:
    """One Python file of the DAG folder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.text = path.read_text(encoding="utf-8", errors="replace")
        self.syntax_error: SyntaxError | None = None
        try:
            self.tree = ast.parse(self.text, str(path))
        except (SyntaxError, ValueError) as error:
            self.syntax_error = error if isinstance(error, SyntaxError) else SyntaxError(str(error))
            self.tree = ast.Module(body=[], type_ignores=[])

    @cached_property
    def nodes(self) -> list[ast.AST]:
        """All nodes of the tree."""
        return list(ast.walk(self.tree))

    @cached_property
    def at_parse(self) -> list[ast.AST]:
        """The nodes that run when the file is parsed: no task bodies, no functions that nobody calls."""
        return list(_nodes_at_parse(self.tree))

    @cached_property
    def names(self) -> dict[str, str]:
        """What each imported name stands for: `{"pd": "pandas", "datetime": "datetime.datetime"}`."""
        names = {}
        for node in self.nodes:
            if isinstance(node, ast.Import):
                for alias in node.names:
                    names[alias.asname or alias.name.split(".")[0]] = (
                        alias.name if alias.asname else alias.name.split(".")[0]
                    )
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                for alias in node.names:
                    names[alias.asname or alias.name] = f"{node.module}.{alias.name}"
        return names

    @cached_property
    def imports(self) -> list[Import]:
        """The modules imported at parse; of `from a import b` both `a` and `a.b`, for b may be a module."""
        found = []
        for node in self.at_parse:
            if isinstance(node, ast.Import):
                found += [Import(alias.name, node.lineno) for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.append(Import(node.module, node.lineno))
                found += [Import(f"{node.module}.{alias.name}", node.lineno) for alias in node.names]
        return found

    def full_name(self, node: ast.AST) -> str:
        """The dotted name of an expression with imported names written out, or ''."""
        parts = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            return ""
        return ".".join([self.names.get(node.id, node.id), *reversed(parts)])

    @cached_property
    def dag_calls(self) -> list[ast.Call | ast.FunctionDef]:
        """Where the file makes DAGs: calls of DAG(...), functions under @dag or @asset."""
        found = []
        for node in self.nodes:
            if isinstance(node, ast.Call) and self._is_airflow(node.func, {"DAG"}):
                found.append(node)
            elif isinstance(node, ast.FunctionDef):
                for decorator in node.decorator_list:
                    call = decorator.func if isinstance(decorator, ast.Call) else decorator
                    if self._is_airflow(call, {"dag", "asset", "asset.multi"}):
                        found.append(node)
        return found

    def _is_airflow(self, node: ast.AST, names: set[str]) -> bool:
        name = self.full_name(node)
        return name.startswith("airflow.") and (
            name.split(".")[-1] in names or ".".join(name.split(".")[-2:]) in names
        )

    @cached_property
    def task_lines(self) -> dict[str, int]:
        """The lines of tasks whose id is in the file: `task_id="x"`, `group_id="x"`, decorated functions."""
        lines: dict[str, int] = {}
        for node in self.nodes:
            if isinstance(node, ast.Call):
                for keyword in node.keywords:
                    if keyword.arg in ("task_id", "group_id") and isinstance(keyword.value, ast.Constant):
                        lines.setdefault(str(keyword.value.value), node.lineno)
            elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.decorator_list:
                lines.setdefault(node.name, _line(node))
        return lines

    @cached_property
    def outline(self) -> Outline:
        """What a worker needs of this file."""
        return Outline(
            path=self.path,
            dag_calls=[
                DagCall(
                    _line(node),
                    getattr(node, "name", ""),
                    [text for n in _head(node) if (text := _constant(n))],
                )
                for node in self.dag_calls
            ],
            task_lines=self.task_lines,
            imports=self.imports,
            adds_partitions="add_partitions" in self.text,
        )

    @cached_property
    def exemptions(self) -> list[Comment]:
        """The `# dag-integrity: ignore[...]` comments of the file."""
        if "dag-integrity:" not in self.text or self.syntax_error:
            return []
        found = []
        for token in tokenize.generate_tokens(io.StringIO(self.text).readline):
            if token.type == tokenize.COMMENT and (match := EXEMPTION.search(token.string)):
                rules = [rule.strip() for rule in (match[1] or "").split(",") if rule.strip()]
                alone = not token.line[: token.start[1]].strip()
                found.append(
                    Comment(token.start[0], None if alone else token.start[0], rules, match[2].strip())
                )
        return found


def _head(node: ast.Call | ast.FunctionDef) -> Iterator[ast.AST]:
    """A DAG call without what is inside the DAG."""
    for part in [node] if isinstance(node, ast.Call) else node.decorator_list:
        yield from ast.walk(part)


def _constant(node: ast.AST) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _line(node: ast.AST) -> int:
    """The line where a definition begins, decorators included."""
    return min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])


def decorator_name(decorator: ast.AST) -> str:
    """The dotted name of a decorator, without the arguments."""
    node = decorator.func if isinstance(decorator, ast.Call) else decorator
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else ""


def _nodes_at_parse(tree: ast.Module) -> Iterator[ast.AST]:
    """Walk the module's body, and the bodies of those of its functions that this calls."""
    functions: dict[str, ast.FunctionDef] = {}
    called: list[str] = []
    pending: list[ast.AST] = [tree]
    entered = set()
    while pending:
        stack = [pending.pop()]
        while stack:
            node = stack.pop()
            yield node
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node not in entered:
                functions[node.name] = node
                stack += [*node.decorator_list, *node.args.defaults, *filter(None, node.args.kw_defaults)]
            elif isinstance(node, ast.Lambda):
                stack += [*node.args.defaults, *filter(None, node.args.kw_defaults)]
            elif isinstance(node, ast.If) and _never_at_parse(node.test):
                stack += node.orelse
            else:
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                    called.append(node.func.id)
                stack += ast.iter_child_nodes(node)
        for name in called:
            function = functions.get(name)
            if function is not None and function not in entered:
                entered.add(function)
                if RUN_IN_TASKS.isdisjoint(decorator_name(d).split(".")[0] for d in function.decorator_list):
                    pending += function.body


def _never_at_parse(test: ast.AST) -> bool:
    """Whether this is the test of `if TYPE_CHECKING:` or `if __name__ == "__main__":`."""
    if isinstance(test, ast.Compare):
        return isinstance(test.left, ast.Name) and test.left.id == "__name__"
    return (
        ast.unparse(test).endswith("TYPE_CHECKING") if isinstance(test, (ast.Name, ast.Attribute)) else False
    )
