"""The DAG files: can a pod import them, are they committed, and which connections do they name?"""

import ast
import json
import re
import sys
from collections.abc import Collection, Iterator
from contextlib import suppress
from importlib.metadata import distributions

from dag_integrity.rules.files import named_values
from dag_integrity.syntax import dotted
from etl_tools import answers
from etl_tools.cluster.doctor import Finding, broken, fine, unknown
from etl_tools.cluster.helm_values import merged, paths
from etl_tools.programs import run
from etl_tools.secrets.connections import read as connections_here
from etl_tools.secrets.git_server import git_output

FOLDER = answers.ROOT / answers.DAGS_SUBPATH
PUSH = f"git add {answers.DAGS_SUBPATH} && git commit && git push origin {answers.GIT_BRANCH}"

# What takes a connection's name first: PostgresHook("shop"), Connection.get("shop").
TAKES_NAME = re.compile(r"(Hook|get_connection|Connection\.get)$")


def dag_files() -> Iterator[Finding]:
    """Look whether there are DAG files here, and whether git has them."""
    count = sum(1 for _ in FOLDER.rglob("*.py"))
    if not count:
        fix = "git checkout, or correct dags_subpath in pyproject.toml"
        yield broken(f"there is no Python file in {answers.DAGS_SUBPATH}/ here", fix)
        return
    try:
        changed = git_output("status", "--porcelain", "--untracked-files=all", "--", answers.DAGS_SUBPATH)
    except ValueError as problem:
        yield unknown(f"{answers.DAGS_SUBPATH}/: {count} Python files; whether git has them: {problem}")
        return
    if names := [line[3:] for line in changed.splitlines()]:
        more = f" and {len(names) - 5} more" if len(names) > 5 else ""
        yield broken(f"not committed: {', '.join(names[:5])}{more}", PUSH, blocks=False)
    else:
        yield fine(f"{answers.DAGS_SUBPATH}/: {count} Python files, all of them committed")


def imports() -> Iterator[Finding]:
    """Have the integrity checks import the files as a pod does."""
    if not any(distributions(name="apache-airflow-core")):
        yield unknown("the integrity checks did not run: there is no Airflow here", "make install")
        return
    checked = run(sys.executable, "-m", "dag_integrity", "--root", answers.ROOT, timeout=60)
    for where, words in re.findall(r"^(\S+): import-error: (.*)$", checked.stdout, re.MULTILINE):
        yield no_import(f"{where}: {words}", "make test shows more")
    if checked.returncode not in (0, 1):
        yield unknown("the integrity checks did not run", "make integrity")


def no_import(what: str, otherwise: str) -> Finding:
    """Return the finding of an import that failed: of a package that laptop and image lack, one for both."""
    if not (found := re.search(r"No module named '([^'.]+)", what)):
        return broken(what, otherwise)
    fix = f"make add PKG={found[1]} (as PyPI calls it; docs/packages.md), or correct the import"
    return broken(what, fix, cause=f"no module {found[1]}")


def connections(in_cluster: Collection[str] | None = None) -> Iterator[Finding]:
    """Name the connections that DAG files ask for in plain text and that nobody provides.

    They may be in secrets/connections.env, the values, the cluster's Secrets or Airflow's database: of the
    last two ``in_cluster`` has the ids, None if nobody looked. A secrets backend may hold any: no finding.
    """
    inside = merged()
    if dict(paths(inside)).get("config.secrets.backend"):
        return
    variables = re.findall(r'"(AIRFLOW_CONN_\w+)"', json.dumps(inside))
    with suppress(ValueError):  # a line that is not NAME=value is a finding of its own
        variables += connections_here()
    provided = {*(in_cluster or ()), *map(connection_id, variables)}
    wanted = dict(named_connections())
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


def named_connections() -> Iterator[tuple[str, str]]:
    """Yield each connection that a DAG file names in plain text, and where."""
    for path in sorted(FOLDER.rglob("*.py")):
        nodes: list[ast.AST] = []
        with suppress(SyntaxError, ValueError):  # a finding of its own
            nodes = list(ast.walk(ast.parse(path.read_bytes())))
        for node in nodes:
            values = [value for name, value in named_values(node) if name.endswith("conn_id")]
            if isinstance(node, ast.Call) and TAKES_NAME.search(dotted(node.func)):
                values += node.args[:1]
            for name in [getattr(value, "value", None) for value in values]:
                if isinstance(name, str) and re.fullmatch("[^{]+", name):
                    yield name, f"{path.relative_to(answers.ROOT)}:{getattr(node, 'lineno', 1)}"
