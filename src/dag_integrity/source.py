"""A Python file as text and syntax tree, with what the rules ask about it; nothing is imported."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any, NamedTuple

from .config import Policy
from .exempt import Exemption
from .model import Finding
from .syntax import (
    FUNCTIONS,
    IMPORTS,
    Node,
    compact,
    decorator_of,
    dotted,
    first_line,
    imported,
    never_at_parse,
    nodes_at_parse,
)

# Functions under these decorators run in a task, not when the file is parsed.
TASK_DECORATORS = {"task", "asset", "setup", "teardown"}
# Tasks of these kinds run in an environment of their own, with packages of their own.
ELSEWHERE = re.compile(r"virtualenv|external_python|docker|kubernetes|ExternalPython|Virtualenv|pyspark")
EXEMPTION = re.compile(r"#\s*dag-integrity:\s*ignore\b\s*(?:\[([\w\s,-]*)\])?\s*(.*)")
NO_CODE = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT)
TESTS = re.compile(r"(^|/)(tests?|fixtures)/|(^|/)(test_[^/]*|[^/]*_test|conftest)\.py$")


class Import(NamedTuple):
    module: str
    line: int


class DagCall(NamedTuple):
    """Where a file makes a DAG: the function's name, '' for a call, and the texts in call or decorators."""

    line: int
    name: str
    texts: set[str]


class Source:
    """One Python file of the DAG folder; `name` is its path in the repository."""

    def __init__(self, path: Path, root: Path, policy: Policy) -> None:
        self.path, self.policy = path, policy
        self.name = path.relative_to(root).as_posix()
        self.root, self.dags = root, root / policy.dags_folder
        self.error: SyntaxError | None = None
        try:
            self.text = path.read_text(encoding="utf-8-sig", errors="replace")
        except OSError as error:
            self.text, self.error = "", SyntaxError(f"the file cannot be read ({error.strerror})")
        self.findings: list[Finding] = []
        self.deterministic = False
        _ = self.tree

    def __getstate__(self) -> dict[str, Any]:
        """What goes to another process: no syntax tree, for which nobody asks there."""
        asked = "imports needs own_modules dag_calls task_lines exemptions either used_after_loops"
        kept = "path name root dags error findings deterministic"
        return {name: getattr(self, name) for name in f"{kept} {asked}".split()}

    @cached_property
    def tree(self) -> ast.Module:
        try:
            return compact(ast.parse(self.text, str(self.path)), len(self.text))
        except (SyntaxError, ValueError, RecursionError) as error:
            self.error = error if isinstance(error, SyntaxError) else SyntaxError(str(error))
            return ast.Module(body=[], type_ignores=[])

    @cached_property
    def children(self) -> dict[Node, list[Node]]:
        """The nodes in each node, without those that only say whether a name is read or written."""
        children: dict[Node, list[Node]] = {}
        pending: deque[Node] = deque([self.tree])
        while pending:
            node = pending.popleft()
            values = [v for value in vars(node).values() for v in (value if type(value) is list else [value])]
            inside = [v for v in values if isinstance(v, ast.AST) and not isinstance(v, ast.expr_context)]
            children[node] = inside
            pending += inside
        return children

    @cached_property
    def nodes(self) -> list[Node]:
        """All nodes, the outer ones first."""
        return list(self.children)

    @cached_property
    def parents(self) -> dict[Node, Node]:
        return {child: node for node, inside in self.children.items() for child in inside}

    def around(self, node: Node) -> Iterator[Node]:
        """The nodes that the node is in, innermost first."""
        while (node := self.parents.get(node)) is not None:
            yield node

    @cached_property
    def at_parse(self) -> list[Node]:
        """The nodes that run when the file is parsed: no task bodies, no functions that nobody calls."""
        return list(nodes_at_parse(self.tree, self.children, self.runs_in_task))

    def runs_in_task(self, function: Node) -> bool:
        """Whether a decorator makes it a task: @task, @airflow.sdk.task.branch, @dag.task, also renamed."""
        names = [self.full_name(decorator_of(d)).split(".") for d in function.decorator_list]
        return any(not TASK_DECORATORS.isdisjoint(name) for name in names)

    @cached_property
    def names(self) -> dict[str, str]:
        """What each imported name stands for: `{"pd": "pandas", "datetime": "datetime.datetime"}`."""
        pairs = [imported(node).items() for node in self.nodes if isinstance(node, IMPORTS)]
        return dict(pair for some in pairs for pair in some)

    def full_name(self, node: Node) -> str:
        """The dotted name of an expression with imported names written out, or ''."""
        first, _, rest = dotted(node).partition(".")
        return ".".join(filter(None, [self.names.get(first, first), rest]))

    def calls(self, nodes: list[Node]) -> Iterator[tuple[str, ast.Call]]:
        """The calls among these nodes, each with the full name of what is called."""
        return ((self.full_name(node.func), node) for node in nodes if isinstance(node, ast.Call))

    @cached_property
    def imports(self) -> list[Import]:
        """The modules imported at parse; of `from a import b` both `a` and `a.b`, for b may be a module."""
        return [found for found, _ in _imports_and_nodes(self.at_parse)]

    @cached_property
    def needs(self) -> list[Import]:
        """The modules that must be there in a pod: also those that tasks import, none that may be missing."""
        needed = []
        elsewhere = {
            dotted(keyword.value)
            for node in self.nodes
            if isinstance(node, ast.Call) and ELSEWHERE.search(dotted(node.func))
            for keyword in node.keywords
            if keyword.arg == "python_callable"
        }
        for found, node in _imports_and_nodes(self.nodes):
            for outer in self.around(node):
                if isinstance(outer, ast.Try) and outer.handlers:
                    break
                if isinstance(outer, ast.If) and never_at_parse(outer.test):
                    break
                if isinstance(outer, FUNCTIONS) and (
                    outer.name in elsewhere
                    or any(ELSEWHERE.search(dotted(decorator)) for decorator in outer.decorator_list)
                ):
                    break
            else:
                needed.append(found)
        return needed

    @cached_property
    def either(self) -> set[str | int]:
        """Names of Airflow and lines that are for one version of it, where others are for another."""
        meant: dict[str, set[str]] = {}
        lines: set[int] = set()
        for node in self.nodes:
            if isinstance(node, ast.If) and re.search(r"(?i)airflow_v|version", ast.unparse(node.test)):
                lines.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
            if isinstance(node, ast.ImportFrom) and {ast.Try, ast.If} & set(map(type, self.around(node))):
                for alias in node.names:
                    meant.setdefault(alias.asname or alias.name, set()).add(f"{node.module}.{alias.name}")
        current = ("airflow.sdk.", "airflow.providers.")
        names = {n for names in meant.values() if any(n.startswith(current) for n in names) for n in names}
        return names | lines

    def own_module(self, module: str) -> list[Path]:
        """The files of the DAG folder that `import module` reads, packages first."""
        return _own_module(self.dags, module)

    @cached_property
    def own_modules(self) -> set[Path]:
        """The other files of the DAG folder that importing this one reads."""
        return {own for i in self.imports for own in self.own_module(i.module)} - {self.path}

    def is_task(self, node: Node) -> bool:
        """Whether a function is a task by its decorator."""
        names = [self.full_name(decorator_of(d)).split(".") for d in getattr(node, "decorator_list", ())]
        return any(name[0] in self.dag_names and "task" in name[1:] for name in names)

    @cached_property
    def dag_names(self) -> set[str]:
        """`airflow` and the names of DAGs, which may stand in front of `.task`."""
        pairs = [(n.context_expr, n.optional_vars) for n in self.nodes if isinstance(n, ast.withitem)]
        pairs += [(n.value, n.targets[0]) for n in self.nodes if isinstance(n, ast.Assign)]
        calls = [(dotted(to), value.func) for value, to in pairs if to and isinstance(value, ast.Call)]
        return {"airflow"} | {name for name, of in calls if name and self._is_airflow(of, ("DAG",))}

    @property
    def is_test(self) -> bool:
        """Whether it is a test of the repository, with values that are made up."""
        return bool(TESTS.search(self.name))

    @cached_property
    def functions(self) -> dict[int, Node]:
        """The functions by the line at which Python says that they start."""
        kinds = (*FUNCTIONS, ast.Lambda)
        return {first_line(node): node for node in reversed(self.nodes) if isinstance(node, kinds)}

    @cached_property
    def used_after_loops(self) -> set[tuple[int, int]]:
        """Line and column of names in functions that loops make and that run when the loop is over."""
        at_parse, loops = set(self.at_parse), (ast.For, ast.ListComp, ast.DictComp, ast.GeneratorExp)
        functions = [node for node in self.functions.values() if node in at_parse]
        made = [node for node in functions if any(isinstance(outer, loops) for outer in self.around(node))]
        names = [n for node in made for n in ast.walk(node) if isinstance(n, ast.Name) and n not in at_parse]
        return {(name.lineno, name.col_offset + 1) for name in names}

    @cached_property
    def dag_calls(self) -> list[DagCall]:
        """Where the file makes DAGs: calls of DAG(...), functions under @dag or @asset."""
        found = []
        for node in self.nodes:
            heads: list[Node] = []
            if isinstance(node, ast.Call) and self._is_airflow(node.func, ("DAG",)):
                heads = [node]
            elif isinstance(node, FUNCTIONS):
                decorators = [decorator_of(d) for d in node.decorator_list]
                if any(self._is_airflow(d, ("dag", "asset", "multi")) for d in decorators):
                    heads = node.decorator_list
            if heads:
                inside = [n.value for head in heads for n in ast.walk(head) if isinstance(n, ast.Constant)]
                texts = {text for text in inside if isinstance(text, str)}
                found.append(DagCall(first_line(node), getattr(node, "name", ""), texts))
        return found

    def _is_airflow(self, node: Node, names: tuple[str, ...]) -> bool:
        name = self.full_name(node)
        return name.startswith("airflow.") and name.split(".")[-1] in names

    def dag_line(self, dag_id: str = "") -> int:
        """The line of the call or decorator that makes this DAG; the first such where the id is computed."""
        for call in self.dag_calls:
            if dag_id and (dag_id in call.texts or dag_id == call.name):
                return call.line
        return min((call.line for call in self.dag_calls), default=1)

    @cached_property
    def task_lines(self) -> dict[str, int]:
        """The lines of tasks whose id is in the file: `task_id="x"`, `group_id="x"`, decorated functions."""
        lines: dict[str, int] = {}
        for node in self.nodes:
            if isinstance(node, ast.Call):
                for keyword in node.keywords:
                    if keyword.arg in ("task_id", "group_id") and isinstance(keyword.value, ast.Constant):
                        lines.setdefault(str(keyword.value.value), node.lineno)
            elif isinstance(node, FUNCTIONS) and node.decorator_list:
                lines.setdefault(node.name, first_line(node))
        return lines

    def task_line(self, task_id: str, dag_id: str) -> int:
        """The line of this task, or of its DAG where the id is computed."""
        last = task_id.split(".")[-1]
        return self.task_lines.get(task_id) or self.task_lines.get(last) or self.dag_line(dag_id)

    @cached_property
    def exemptions(self) -> list[Exemption]:
        """The `# dag-integrity: ignore[...]` comments: of a line, the line below, or the file by its head."""
        if "dag-integrity:" not in self.text or self.error:
            return []
        found: list[Exemption] = []
        alone: list[Exemption] = []
        docstring = ast.get_docstring(self.tree, clean=False) is not None
        head = min((first_line(node) for node in self.tree.body[docstring:]), default=len(self.text))
        for token in tokenize.generate_tokens(io.StringIO(self.text).readline):
            at = token.start[0]
            if token.type == tokenize.COMMENT and (match := EXEMPTION.match(token.string)):
                rules = tuple(rule.strip() for rule in (match[1] or "").split(",") if rule.strip())
                one = Exemption(rules, match[2].strip(), self.name, at, self.name)
                if token.line[: token.start[1]].strip():
                    found.append(replace(one, line=at))
                elif at < head:
                    found.append(one)
                else:  # of what is below it
                    alone.append(one)
            elif token.type not in NO_CODE:
                found += [replace(one, line=at) for one in alone]
                alone = []
        return [*found, *(replace(one, line=one.stated_at) for one in alone)]


@cache
def _own_module(dags: Path, module: str) -> list[Path]:
    found: list[Path] = []
    parts = module.split(".")
    for count in range(1, len(parts) + 1):
        path = dags.joinpath(*parts[:count])
        if not path.is_dir():
            return [*found, path.with_suffix(".py")] if path.with_suffix(".py").is_file() else found
        found += [p for p in (path / "__init__.py", path.with_suffix(".py")) if p.is_file()][:1]
    return found


def _imports_and_nodes(nodes: list[Node]) -> Iterator[tuple[Import, Node]]:
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from ((Import(alias.name, node.lineno), node) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield Import(node.module, node.lineno), node
            yield from ((Import(f"{node.module}.{alias.name}", node.lineno), node) for alias in node.names)
