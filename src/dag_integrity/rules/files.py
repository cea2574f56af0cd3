"""The rules about a file's text, which import nothing: a rule's function gets a `Source`."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from ..config import Policy
from ..model import Found, problem, rule
from ..source import Source
from ..syntax import FUNCTIONS, Node, dotted

# Rules that hold for every file; the others are for what Airflow parses and the modules that this imports.
EVERYWHERE = ("secret", "session-in-task")
CLOCKS = {
    "datetime.datetime.now", "datetime.datetime.today", "datetime.datetime.utcnow", "datetime.date.today",
    "pendulum.now", "pendulum.today", "pendulum.tomorrow", "pendulum.yesterday",
    "time.time", "time.time_ns", "time.localtime", "time.gmtime", "time.ctime", "time.strftime",
    "airflow.sdk.timezone.utcnow", "airflow.utils.timezone.utcnow",
}  # fmt: skip
LOGS = re.compile(r"(^|\.)(print|debug|info|warning|error|exception|critical|log)$")
DATABASES = [
    "psycopg2", "psycopg", "pymysql", "MySQLdb", "mysql.connector", "oracledb", "cx_Oracle", "pyodbc",
    "pymssql", "ibm_db_dbi", "trino.dbapi", "snowflake.connector", "redshift_connector",
    "clickhouse_driver", "teradatasql", "vertica_python", "hdbcli.dbapi",
]  # fmt: skip
FORBIDDEN = {
    r"airflow\..*\bVariable\.get": "reads an Airflow Variable",
    r"airflow\..*\b(Connection\.get|BaseHook\.get_connection)": "reads an Airflow Connection",
    r"airflow\.settings\.Session|airflow\.utils\.session\.create_session": "opens a database session",
    r"subprocess\.(run|Popen|check_output|check_call|call)|os\.(system|popen)": "starts a process",
    r"(requests|httpx)\.(get|post|put|patch|delete|head|request)": "uses the network",
    r"urllib\.request\.urlopen|socket\.create_connection": "uses the network",
    r"time\.sleep": "waits",
    rf"({'|'.join(map(re.escape, DATABASES))})\.connect": "opens a database",
}
# Their operators import it anyway: to move a file's own import makes nothing quicker.
OF_PROVIDERS = {
    "amazon": ("boto3", "botocore"), "google": ("google.cloud", "requests"), "jenkins": ("requests",),
    "snowflake": ("pandas", "pyarrow", "snowflake"),
}  # fmt: skip
SESSION = re.compile(
    r"airflow\.(settings\.Session|utils\.session\.(create|provide)_session"
    r"|models\.(\w+\.)?(DagRun|DagModel|TaskInstance|SerializedDagModel|Pool)\.(find|get|current|create|delete)\w*"
    r"|api\.common\.\w+\.(trigger_dag|delete_dag|set_state|set_dag_run_state\w*))"
)
# Template variables that Airflow 2 had, and what stands for them in Airflow 3.
REMOVED_VARIABLES = {
    "execution_date": "logical_date",
    "conf": "an Airflow Variable, {{ var.value.name }}",
    "next_ds": "{{ data_interval_end | ds }}",
    "next_ds_nodash": "{{ data_interval_end | ds_nodash }}",
    "next_execution_date": "data_interval_end",
    "prev_ds": "{{ macros.ds_add(ds, -1) }}",
    "prev_ds_nodash": "{{ macros.ds_add(ds, -1) | replace('-', '') }}",
    "prev_execution_date": "prev_data_interval_start_success",
    "prev_execution_date_success": "prev_data_interval_start_success",
    "tomorrow_ds": "{{ macros.ds_add(ds, 1) }}",
    "tomorrow_ds_nodash": "{{ macros.ds_add(ds, 1) | replace('-', '') }}",
    "yesterday_ds": "{{ macros.ds_add(ds, -1) }}",
    "yesterday_ds_nodash": "{{ macros.ds_add(ds, -1) | replace('-', '') }}",
    "triggering_dataset_events": "triggering_asset_events",
}
SECRET_VALUES = {
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----": "a private key",
    r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b": "an AWS access key",
    r"\bgh[pousr]_[A-Za-z0-9]{36,}\b|\bgithub_pat_[A-Za-z0-9_]{40,}\b": "a GitHub token",
    r"\bglpat-[A-Za-z0-9_-]{20,}": "a GitLab token",
    r"\bxox[abprs]-[A-Za-z0-9-]{10,}": "a Slack token",
    r"\bsk_live_[A-Za-z0-9]{16,}": "a Stripe key",
    r"\bAIza[0-9A-Za-z_-]{35}\b": "a Google API key",
    r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}": "a JSON web token",
    r"\b[a-z][a-z0-9+]*://[^\s/:@{}$<>*]+:(?![{$<*])[^\s/@{}<>*]+@": "a password in a URL",
}
SECRET_VALUE = re.compile("|".join(f"({pattern})" for pattern in SECRET_VALUES))
PASSWORD_NAME = re.compile(r"(^|_)(password|passwd|pwd)$", re.I)
TOKEN_NAME = re.compile(r"(^|_)(?<!page_)(secret|token|api_?key|(access|private|fernet)_key)$", re.I)
# In tests only what somebody has issued is no fixture.
ISSUED = re.compile("|".join(list(SECRET_VALUES)[1:7]))
MADE_UP = re.compile(r"(?i)example|dummy|fake|test|(.)\1{4}|1234|abcd")
# Templates, placeholders, paths, names of environment variables and of Kubernetes objects, sentences.
NOT_SECRET = re.compile(
    r"^$|\{|\$|^<.*>$|^[*x.]+$|://(?!.*@)|/|^[A-Z][A-Z0-9_]*$|^[a-z]+([-_.][a-z0-9]*)+$|\s"
    r"|(?i:changeme|example|dummy|placeholder|your|test)",
    re.S,
)


@rule(
    "clock-at-import", "file",
    'Write a fixed date, as pendulum.datetime(2026, 1, 1, tz="UTC"), or read the clock in a task',
)  # fmt: skip
def _clock(source: Source) -> Found:
    """Nothing reads the clock (now, today, time) when the file is parsed, but for a log line."""
    for name, node in source.calls(source.at_parse):
        if name in CLOCKS and not _only_logged(source, node):
            wrong = f"{name}() is read when the file is parsed: every parse gives another value"
            yield problem(wrong, node.lineno)


def _only_logged(source: Source, node: Node, names: tuple[str, ...] = ()) -> bool:
    """Whether the value goes into a log line and nowhere else, also by way of a name."""
    for outer in source.around(node):
        if isinstance(outer, ast.Call) and LOGS.search(dotted(outer.func)):
            return True
        if isinstance(outer, ast.Assign) and isinstance(outer.targets[0], ast.Name):
            name = outer.targets[0].id
            loads = [n for n in source.nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)]
            uses = [n for n in loads if n.id == name and name not in names]
            return bool(uses) and all(_only_logged(source, use, (*names, name)) for use in uses)
        if isinstance(outer, ast.stmt):
            break
    return False


@rule(
    "forbidden-at-import", "file",
    "Move it into a task; in a template write {{ var.value.name }} or {{ conn.name.host }}; for a schedule "
    "read an environment variable",
)  # fmt: skip
def _forbidden(source: Source) -> Found:
    """No Variable, Connection, database, network, process, waiting or file writing at import."""
    for name, node in source.calls(source.at_parse):
        for what in [what for pattern, what in FORBIDDEN.items() if re.fullmatch(pattern, name)]:
            yield problem(f"The file {what} when it is parsed", node.lineno)
        if name.endswith(".test") and name.removesuffix(".test") in source.dag_names:
            write = 'Write if __name__ == "__main__": above that line'
            yield problem("A DAG is run when the file is parsed", node.lineno, write)


@rule("heavy-import", "file", "Move that import into the function that the task runs", severity="warning")
def _heavy(source: Source) -> Found:
    """No heavy module is imported when the file is parsed."""
    providers = {i.module.split(".")[2] for i in source.imports if i.module.startswith("airflow.providers.")}
    anyway = {heavy for name in providers for heavy in OF_PROVIDERS.get(name, ())}
    for line, heavy in dict.fromkeys((i.line, heavy_module(i.module, source.policy)) for i in source.imports):
        if heavy and heavy not in anyway:
            yield problem(f"The file imports {heavy} each time it is parsed", line)


def heavy_module(module: str, policy: Policy) -> str | None:
    """The entry of the policy's `heavy-modules` that this module is or belongs to."""
    return next((heavy for heavy in policy.heavy_modules if f"{module}.".startswith(f"{heavy}.")), None)


@rule(
    "secret", "file",
    "Take it out of git, replace it where it is used, and read it from a Connection in a task",
)  # fmt: skip
def _secret(source: Source) -> Found:
    """No literal that looks like a password, key or token."""
    for node in source.nodes:
        text = node.value if isinstance(node, ast.Constant) and isinstance(node.value, (str, tuple)) else ""
        text = text if isinstance(text, str) else repr(text)  # a table of a large file
        if source.is_test and not (ISSUED.search(text) and not MADE_UP.search(text)):
            continue
        if match := SECRET_VALUE.search(text):
            kind = list(SECRET_VALUES.values())[(match.lastindex or 1) - 1]
            yield problem(f"The text looks like it holds {kind}", node.lineno)
        for name, value in named_values(node):
            if isinstance(value, ast.Call) and dotted(value.func).split(".")[-1] == "Param":
                default = [k.value for k in value.keywords if k.arg == "default"]
                value = (value.args[:1] or default or [value])[0]
            text = value.value if isinstance(value, ast.Constant) and isinstance(value.value, str) else ""
            if SECRET_VALUE.search(text) or NOT_SECRET.search(text) or text.lower() == name.lower():
                continue
            lettered = re.search(r"\d", text) and re.search(r"[A-Za-z]", text) and len(text) >= 12
            if PASSWORD_NAME.search(name) or (TOKEN_NAME.search(name) and lettered):
                yield problem(f"{name} is given as a literal", value.lineno)


def named_values(node: Node) -> Iterator[tuple[str, Node]]:
    """The names and values of the assignment, keyword argument or dict entries that this node is."""
    if isinstance(node, ast.Assign):
        for target in node.targets:
            yield getattr(target, "id", getattr(target, "attr", "")), node.value
    elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value:
        yield node.target.id, node.value
    elif isinstance(node, ast.keyword) and node.arg:
        yield node.arg, node.value
    elif isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            if isinstance(key, ast.Constant) and isinstance(key.value, str):
                yield key.value, value


@rule(
    "session-in-task", "file", "Ask Airflow's REST API, or use Variable, Connection and XCom of airflow.sdk",
    since="3",
)  # fmt: skip
def _session(source: Source) -> Found:
    """No task opens a session on Airflow's own database, which Airflow 3 refuses."""
    at_parse, functions = set(source.at_parse), [node for node in source.nodes if isinstance(node, FUNCTIONS)]
    calls = [(name, node) for name, node in source.calls(source.nodes) if node not in at_parse]
    for name, node in [*calls, *((source.full_name(d), d) for one in functions for d in one.decorator_list)]:
        if SESSION.fullmatch(name) and node.lineno not in source.either:
            short = ".".join(name.split(".")[-2:] if ".models." in name else name.split(".")[-1:])
            yield problem(f"{short}() fails when the task runs: no task reaches the database", node.lineno)


@rule("uncalled-task", "file", "Call it in the DAG, or take it out", severity="warning")
def _uncalled(source: Source) -> Found:
    """Every function under @task is called, or no DAG has that task."""
    used = {n.id for n in source.nodes if isinstance(n, ast.Name)}
    used |= {n.value for n in source.nodes if isinstance(n, ast.Constant) and isinstance(n.value, str)}
    tasks = {node.name for node in source.nodes if source.is_task(node)}
    for node in source.nodes if source.dag_calls else ():
        names = [source.full_name(d).removeprefix("airflow.") for d in getattr(node, "decorator_list", ())]
        group = not {"sdk.task_group", "decorators.task_group"}.isdisjoint(names)
        if isinstance(node, FUNCTIONS) and (group or source.is_task(node)) and node.name not in used:
            kind = "task_group" if group else "task"
            yield problem(f"@{kind} {node.name} is never called: no DAG has it", node.lineno)
    for node in source.nodes:
        of = getattr(getattr(node, "value", None), "func", None) if isinstance(node, ast.Expr) else None
        operator = re.search(r"^airflow\..*(Operator|Sensor)\.partial$", source.full_name(of)) if of else None
        name = source.full_name(of) if isinstance(of, ast.Attribute) else ""
        if re.search(r"^\w+\.(override|partial)$", name) and name.split(".")[0] in tasks:
            then = "()" if name.endswith("override") else ".expand(…)"
            yield problem(f"{name}() alone makes no task", node.lineno, f"Write {name}(…){then}")
        if operator:
            wrong = "What partial() begins is mapped over nothing: no DAG has that task"
            yield problem(wrong, node.lineno, "Write .expand(name=[…]) after it")
