"""The rules about a file's text, which import nothing: a rule's function gets a `Source`."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from . import Finding, PolicyError, engine_rule, finding, problem, rule
from .source import FUNCTIONS, Source, dotted

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
def _clock(source: Source):
    """Nothing reads the clock (now, today, time) when the file is parsed, but for a log line."""
    for name, node in source.calls(source.at_parse):
        if name in CLOCKS and not _only_logged(source, node):
            wrong = f"{name}() is read when the file is parsed: every parse gives another value"
            yield problem(wrong, node.lineno)


def _only_logged(source: Source, node: ast.AST, names: tuple[str, ...] = ()) -> bool:
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
def _forbidden(source: Source):
    """No Variable, Connection, database, network, process, waiting or file writing at import."""
    for name, node in source.calls(source.at_parse):
        for what in [what for pattern, what in FORBIDDEN.items() if re.fullmatch(pattern, name)]:
            yield problem(f"The file {what} when it is parsed", node.lineno)


@rule("heavy-import", "file", "Move that import into the function that the task runs")
def _heavy(source: Source):
    """No heavy module is imported when the file is parsed."""
    providers = {i.module.split(".")[2] for i in source.imports if i.module.startswith("airflow.providers.")}
    anyway = {heavy for name in providers for heavy in OF_PROVIDERS.get(name, ())}
    for line, heavy in dict.fromkeys((i.line, heavy_module(i.module, source.policy)) for i in source.imports):
        if heavy and heavy not in anyway:
            yield problem(f"The file imports {heavy} each time it is parsed", line)


def heavy_module(module: str, policy) -> str | None:
    """The entry of the policy's `heavy-modules` that this module is or belongs to."""
    return next((heavy for heavy in policy.heavy_modules if f"{module}.".startswith(f"{heavy}.")), None)


@rule(
    "secret", "file",
    "Take it out of git, replace it where it is used, and read it from a Connection in a task",
)  # fmt: skip
def _secret(source: Source):
    """No literal that looks like a password, key or token."""
    for node in source.nodes:
        text = node.value if isinstance(node, ast.Constant) and isinstance(node.value, (str, tuple)) else ""
        text = text if isinstance(text, str) else repr(text)  # a table of a large file
        if source.is_test and not (ISSUED.search(text) and not MADE_UP.search(text)):
            continue
        if match := SECRET_VALUE.search(text):
            kind = list(SECRET_VALUES.values())[match.lastindex - 1]
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


def named_values(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
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


@rule("session-in-task", "file", "Ask Airflow's REST API, or use Variable, Connection and XCom of airflow.sdk")
def _session(source: Source):
    """No task opens a session on Airflow's own database, which Airflow 3 refuses."""
    at_parse, tasks = set(source.at_parse), [node for node in source.nodes if source.is_task(node)]
    calls = [(name, node) for name, node in source.calls(source.nodes) if node not in at_parse]
    for name, node in [*calls, *((source.full_name(d), d) for task in tasks for d in task.decorator_list)]:
        if SESSION.fullmatch(name) and node.lineno not in source.either:
            short = ".".join(name.split(".")[-2:] if ".models." in name else name.split(".")[-1:])
            yield problem(f"{short}() fails when the task runs: no task reaches the database", node.lineno)


@rule("uncalled-task", "file", "Call it in the DAG, or take it out")
def _uncalled(source: Source):
    """Every function under @task is called, or no DAG has that task."""
    used = {n.id for n in source.nodes if isinstance(n, ast.Name)}
    used |= {n.value for n in source.nodes if isinstance(n, ast.Constant) and isinstance(n.value, str)}
    for node in source.nodes if source.dag_calls else ():
        if isinstance(node, FUNCTIONS) and source.is_task(node) and node.name not in used:
            yield problem(f"@task {node.name} is never called: no DAG has it", node.lineno)


engine_rule(
    "airflow-3", "Nothing that Airflow 3 removed, moved or deprecated.",
    "Use what airflow.sdk or a provider has in its place",
)  # fmt: skip
engine_rule("python-syntax", "The syntax is that of the image's Python version.", "Write it in the older syntax")
engine_rule(
    "late-binding", "A function that a loop makes does not take the loop's variable when it runs.",
    "Give it as an argument, by op_kwargs or functools.partial",
)  # fmt: skip
CURES = {
    "days_ago": 'Write a fixed date, as pendulum.datetime(2026, 1, 1, tz="UTC")',
    "provide_context": "Take provide_context out: every callable gets the context",
    "sla": "Take sla out; write deadline=DeadlineAlert(…) on the DAG",
    "sla_miss_callback": "Take it out; write deadline=DeadlineAlert(…) on the DAG",
    "default_view": "Take default_view out",
    "external_trigger": 'Ask run_type of dag_run, "manual" where a person started it',
}


class Ruff:
    """ruff over all files at once, in its own process: Airflow 3's rules, and the image's Python syntax."""

    def __init__(self, paths: list[Path], python: str, alone: bool = False) -> None:
        self.python, self.paths = python, paths
        if paths and importlib.util.find_spec("ruff") is None:
            raise PolicyError("ruff, by which some rules look, is not installed here: pip install ruff.")
        options = "--isolated --no-cache --quiet --exit-zero --output-format=json --preview"
        version = f"--target-version=py{python.replace('.', '')}"
        select = "--select=AIR301,AIR302,AIR303,AIR311,AIR312,AIR321,B023"
        select += ",AIR304" if alone else ""  # or two parses tell it better
        self.command = [sys.executable, "-m", "ruff", "check", *options.split(), select, version]
        self.environment = dict(os.environ)
        self.process = self._start(["--", *paths]) if paths else None

    def _start(self, arguments: list) -> subprocess.Popen:
        pipes = {name: subprocess.PIPE for name in ("stdin", "stdout", "stderr")}
        command = [*self.command, *arguments]
        return subprocess.Popen(command, text=True, encoding="utf-8", env=self.environment, **pipes)

    def _entries(self, paths: list[Path], process: subprocess.Popen) -> Iterator[dict]:
        """What ruff found. Where it dies, it looks at each half, down to the file that it cannot read."""
        printed, told = process.communicate()
        if process.returncode == 0:
            yield from json.loads(printed or "[]")
            return
        if paths == self.paths and (empty := self._start(["-"])).communicate("") and empty.returncode:
            raise PolicyError(f"ruff does not run: {' '.join(told.split())[:200]}")
        if len(paths) == 1:
            yield {"filename": paths[0], "code": "not-checked", "message": f"exit code {process.returncode}"}
            return
        for half in (paths[: len(paths) // 2], paths[len(paths) // 2 :]):
            yield from self._entries(half, self._start(["--", *half]))

    def findings(self, reads: dict[Path, Source]) -> Iterator[Finding]:
        """Wait for ruff and yield its findings on these files, but for those that could not be read."""
        for entry in self._entries(self.paths, self.process) if self.process else ():
            source = reads[Path(entry["filename"])]
            if source.error:
                continue
            name = source.name
            if entry["code"] == "not-checked" or "anicked" in entry["message"][:10]:
                wrong = f"ruff ends at this file ({entry['message']}), and its rules were not applied"
                write = "Write it in a simpler way (a long expression as a list), or take a newer ruff"
                yield finding("not-checked", name, 1, wrong, write)
                continue
            message = entry["message"].replace("`", "").rstrip(".;")
            line = entry["location"]["row"]
            if entry["code"] in (None, "invalid-syntax"):
                wrong = f"{message} (the image runs Python {self.python})"
                yield finding("python-syntax", name, line, wrong, f"Write it in Python {self.python}'s syntax")
                continue
            if entry["code"] == "AIR304":
                if not message.startswith("random."):  # there may be a seed
                    yield finding("unstable", name, line, message)
                continue
            if entry["code"] == "B023":
                variable = message.rpartition(" ")[2]
                wrong = f"{variable} is looked up when the task runs: every task gets the loop's last one"
                if (line, entry["location"]["column"]) in source.used_after_loops:
                    yield finding("late-binding", name, line, wrong)
                continue
            what = message.split(" ")[0]
            # Airflow itself has `from airflow import DAG` among what is not deprecated.
            if {what, line} & source.either or what == "airflow.DAG":
                continue
            wrong = f"{what} is gone in Airflow 3"
            if entry["code"] in ("AIR311", "AIR312", "AIR321"):
                wrong = f"{what} is deprecated in Airflow 3"
            elif entry["code"] == "AIR303":
                wrong = message
            fix = (entry.get("fix") or {}).get("message", "").replace("`", "")
            if match := re.search(r"Install (\S+?)(?:[><=]\S+)? and use (\S+) from (\S+) instead", fix):
                fix = f"Write from {match[3]} import {match[2]} (package {match[1]})"
            elif match := re.match(r"(\S+) has been moved to (\S+) since", fix):
                module = re.sub(r"airflow\.(sdk\.definitions\.param|hooks\.base)$", "airflow.sdk", match[2])
                fix = f"Write from {module} import {match[1]}"
            if new := REMOVED_VARIABLES.get(what):
                fix = f"Write {new}" if new.isidentifier() else "Make it from ds or data_interval_end"
            yield finding("airflow-3", name, line, wrong, CURES.get(what.split(".")[-1]) or fix)
