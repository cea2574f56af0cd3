"""The DAG files: can a pod import them, are they committed, and which connections do they name?"""

import ast
import json
import re
import sys
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path

from tools import answers
from tools.cluster.doctor import Finding, broken, fine, unknown
from tools.cluster.doctor.values import at
from tools.cluster.helm_values import merged
from tools.secrets.connections import read as connections_here
from tools.secrets.git_server import git

FOLDER = answers.ROOT / answers.DAGS_SUBPATH
PUSH = f"git add {answers.DAGS_SUBPATH} && git commit && git push origin {answers.GIT_BRANCH}"


def trees() -> Iterator[tuple[Path, ast.Module | SyntaxError | ValueError]]:
    """Yield each Python file of the DAG folder, and what is in it or why it cannot be read."""
    for path in sorted(FOLDER.rglob("*.py")):
        try:
            yield path.relative_to(answers.ROOT), ast.parse(path.read_bytes())
        except (SyntaxError, ValueError) as error:
            yield path.relative_to(answers.ROOT), error


def dag_files() -> Iterator[Finding]:
    """Look at the DAG files as they are here."""
    if not (files := list(trees())):
        fix = "git checkout, or correct dags_subpath in pyproject.toml"
        yield broken(f"there is no Python file in {answers.DAGS_SUBPATH}/ here", fix)
        return
    problems = [problem for name, tree in files for problem in import_problems(name, tree)]
    changed = git("status", "--porcelain", "--untracked-files=all", "--", answers.DAGS_SUBPATH)
    if names := [line[3:] for line in changed.stdout.splitlines()]:
        more = f" and {len(names) - 5} more" if len(names) > 5 else ""
        problems.append(broken(f"not committed: {', '.join(names[:5])}{more}", PUSH, blocks=False))
    good = f"{answers.DAGS_SUBPATH}/: {len(files)} Python files, well formed and committed"
    yield from problems or [fine(good)]


def import_problems(name: Path, tree: ast.Module | SyntaxError | ValueError) -> Iterator[Finding]:
    """Find what cannot be imported in a pod, where only the DAG folder is on sys.path."""
    if not isinstance(tree, ast.Module):
        line, words = getattr(tree, "lineno", None) or 1, getattr(tree, "msg", tree)
        yield broken(f"{name}:{line}: {words}", "correct it; make test shows more", blocks=False)
        return
    elsewhere_too = {entry.stem for entry in FOLDER.iterdir()} | sys.stdlib_module_names
    for node in ast.walk(tree):
        modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and not node.level:
            modules = [node.module]
        for module in modules:
            if module.partition(".")[0] not in elsewhere_too and is_at_root(module):
                yield broken(
                    f"{name}:{node.lineno}: no pod can import {module}: it sees {answers.DAGS_SUBPATH}/ only",
                    f"move it into {answers.DAGS_SUBPATH}/ and import it by its name from there",
                    blocks=False,
                )


def is_at_root(module: str) -> bool:
    """Tell whether a module is found from the repository's root, where laptops look and pods do not."""
    path = answers.ROOT.joinpath(*module.split("."))
    # A folder named airflow may hold the DAGs: without code of its own, no `import airflow` finds it.
    return path.with_suffix(".py").is_file() or (path.is_dir() and any(path.glob("*.py")))


def connections(in_cluster: Collection[str] | None = None) -> Iterator[Finding]:
    """Name the connections that DAG files ask for in plain text and that nobody provides.

    They may be in secrets/connections.env, the values, the cluster's Secrets or Airflow's database: of the
    last two ``in_cluster`` has the ids, None if nobody looked. A secrets backend may hold any: no finding.
    """
    inside = merged()
    if at(inside, "config.secrets.backend"):
        return
    variables = re.findall(r'"(AIRFLOW_CONN_\w+)"', json.dumps(inside))
    with suppress(ValueError):  # a line that is not NAME=value is a finding of its own
        variables += connections_here()
    provided = {*(in_cluster or ()), *map(connection_id, variables)}
    wanted: dict[str, str] = {}
    for path, tree in trees():
        wanted |= named_connections(path, tree) if isinstance(tree, ast.Module) else {}
    settings = {item["name"]: item.get("value") or "" for item in inside.get("env") or []}
    if settings.get("ETL_NOTIFY"):
        wanted["smtp_default"] = "ETL_NOTIFY"
    if in_url := re.match(r"\w+://([\w.-]+)@", settings.get("ETL_DATA_ROOT", "")):
        wanted[in_url[1]] = "ETL_DATA_ROOT"
    for name, where in wanted.items():
        if name.lower() not in provided:
            what = f"{where} names the connection {name}, and nobody provides it"
            env = answers.in_secrets("connections.env")
            fix = f"write AIRFLOW_CONN_{name.upper()}=… into {env}, then make secrets"
            known = in_cluster is not None
            yield broken(what, fix) if known else unknown(f"{what}, as far as can be seen here", fix)


def connection_id(variable: str) -> str:
    return variable.removeprefix("AIRFLOW_CONN_").lower() if variable.startswith("AIRFLOW_CONN_") else ""


def named_connections(name: Path, tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Yield each connection that a file names in plain text, and where."""
    for call in [node for node in ast.walk(tree) if isinstance(node, ast.Call)]:
        words = [keyword.value for keyword in call.keywords if (keyword.arg or "").endswith("conn_id")]
        if re.search(r"(Hook|\bget_connection|\bConnection\.get)$", ast.unparse(call.func)):
            words += call.args[:1]
        for word in words:
            if isinstance(word, ast.Constant) and isinstance(word.value, str) and "{" not in word.value:
                yield word.value, f"{name}:{word.lineno}"
