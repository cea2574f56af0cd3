"""The rules that read a file without importing it: fast enough for pre-commit."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from .findings import Finding
from .policy import Policy
from .source import Source

CLOCKS = {
    "datetime.datetime.now", "datetime.datetime.today", "datetime.datetime.utcnow", "datetime.date.today",
    "pendulum.now", "pendulum.today", "pendulum.tomorrow", "pendulum.yesterday",
    "time.time", "time.time_ns", "time.localtime", "time.gmtime", "time.ctime", "time.strftime",
    "airflow.sdk.timezone.utcnow", "airflow.utils.timezone.utcnow",
    "airflow.utils.dates.days_ago",
}  # fmt: skip
FORBIDDEN = {
    "airflow.sdk.Variable.get": "reads an Airflow Variable",
    "airflow.models.Variable.get": "reads an Airflow Variable",
    "airflow.models.variable.Variable.get": "reads an Airflow Variable",
    "airflow.sdk.Connection.get": "reads an Airflow Connection",
    "airflow.models.Connection.get": "reads an Airflow Connection",
    "airflow.sdk.BaseHook.get_connection": "reads an Airflow Connection",
    "airflow.hooks.base.BaseHook.get_connection": "reads an Airflow Connection",
    "airflow.settings.Session": "opens a database session",
    "airflow.utils.session.create_session": "opens a database session",
    "subprocess.run": "starts a process",
    "subprocess.Popen": "starts a process",
    "subprocess.check_output": "starts a process",
    "subprocess.check_call": "starts a process",
    "os.system": "starts a process",
    "os.popen": "starts a process",
    "urllib.request.urlopen": "uses the network",
    "socket.create_connection": "uses the network",
} | {
    f"{m}.{verb}": "uses the network"
    for m in ("requests", "httpx")
    for verb in ("get", "post", "put", "request")
}
MOVE_INTO_TASK = "Move it into a task; in a template write {{ var.value.name }} or {{ conn.name.host }}"

# Formats that nothing but a secret has, then names that only a secret is given.
SECRET_VALUES = {
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----": "a private key",
    r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b": "an AWS access key",
    r"\bgh[pousr]_[A-Za-z0-9]{36,}\b": "a GitHub token",
    r"\bgithub_pat_[A-Za-z0-9_]{40,}\b": "a GitHub token",
    r"\bglpat-[A-Za-z0-9_-]{20,}": "a GitLab token",
    r"\bxox[abprs]-[A-Za-z0-9-]{10,}": "a Slack token",
    r"\bsk_live_[A-Za-z0-9]{16,}": "a Stripe key",
    r"\bAIza[0-9A-Za-z_-]{35}\b": "a Google API key",
    r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}": "a JSON web token",
    r"\b[a-z][a-z0-9+]*://[^\s/:@{}$]+:(?![{$])[^\s/@{}]+@": "a password in a URL",
}
SECRET_VALUE = re.compile("|".join(f"({pattern})" for pattern in SECRET_VALUES))
SECRET_NAME = re.compile(
    r"(^|_)(password|passwd|pwd|secret|token|api_?key|(access|private|fernet)_key)$",
    re.I,
)
NOT_SECRET = re.compile(r"^$|\{\{|\{%|^\$|^<.*>$|^\*+$|://(?!.*@)|^/", re.S)


def check_source(source: Source, name: str, policy: Policy) -> list[Finding]:
    """The findings of the import-free rules in one file; `name` is its path in the repository."""
    if source.syntax_error:
        error = source.syntax_error
        return [
            Finding(
                name, error.lineno or 1, "import-error", f"SyntaxError: {error.msg}", "Correct the syntax"
            )
        ]
    found = [
        Finding(name, line, rule, wrong, write)
        for check in (_clock, _forbidden, _heavy_imports, _secrets)
        for line, rule, wrong, write in check(source, policy)
    ]
    return sorted(set(found))


def _clock(source: Source, policy: Policy) -> Iterator[tuple]:
    for node in source.at_parse:
        if isinstance(node, ast.Call) and (name := source.full_name(node.func)) in CLOCKS:
            yield (
                node.lineno,
                "clock-at-import",
                f"{name}() is read when the file is parsed, so that every parse gives another value",
                'Write a fixed date, as pendulum.datetime(2026, 1, 1, tz="UTC"), or read the clock in a task',
            )


def _forbidden(source: Source, policy: Policy) -> Iterator[tuple]:
    for node in source.at_parse:
        if not isinstance(node, ast.Call):
            continue
        if what := FORBIDDEN.get(source.full_name(node.func)):
            yield node.lineno, "forbidden-at-import", f"The file {what} when it is parsed", MOVE_INTO_TASK


def _heavy_imports(source: Source, policy: Policy) -> Iterator[tuple]:
    reported = set()
    for module, line in source.imports:
        heavy = heavy_module(module, policy)
        if heavy and (heavy, line) not in reported:
            reported.add((heavy, line))
            yield line, "heavy-import", *heavy_import_words(heavy)


def heavy_module(module: str, policy: Policy) -> str | None:
    """The entry of the policy's `heavy-modules` that this module is or belongs to."""
    return next((heavy for heavy in policy.heavy_modules if f"{module}.".startswith(f"{heavy}.")), None)


def heavy_import_words(heavy: str) -> tuple[str, str]:
    """What is wrong and what to write where heavy modules are imported."""
    return (
        f"The file imports {heavy} each time it is parsed",
        "Move that import into the function that the task runs",
    )


def _secrets(source: Source, policy: Policy) -> Iterator[tuple]:
    write = "Take it out of git, replace it where it is used, and read it from a Connection in a task"
    for node in ast.walk(source.tree):
        text = node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
        if match := SECRET_VALUE.search(text):
            kind = list(SECRET_VALUES.values())[match.lastindex - 1]
            yield node.lineno, "secret", f"The text looks like it holds {kind}", write
        for name, value in _named_values(node):
            if not isinstance(value, ast.Constant) or not isinstance(value.value, str):
                continue
            if (
                SECRET_NAME.search(name)
                and not NOT_SECRET.search(value.value)
                and not SECRET_VALUE.search(value.value)
            ):
                yield value.lineno, "secret", f"{name} is given as a literal", write


def _named_values(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """The name and value of each assignment, keyword argument, default and dict entry at this node."""
    if isinstance(node, ast.Assign):
        for target in node.targets:
            if isinstance(target, (ast.Name, ast.Attribute)):
                yield getattr(target, "id", getattr(target, "attr", "")), node.value
    elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value:
        yield node.target.id, node.value
    elif isinstance(node, ast.keyword) and node.arg:
        yield node.arg, node.value
    elif isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            if isinstance(key, ast.Constant) and isinstance(key.value, str):
                yield key.value, value


class Ruff:
    """ruff over all files at once, in its own process: Airflow 3's rules, and the image's Python syntax."""

    def __init__(self, paths: list[Path], root: Path, policy: Policy) -> None:
        self.root = root
        self.python = policy.python
        command = Path(sys.executable).with_name("ruff")
        self.process = subprocess.Popen(
            [
                command, "check", "--isolated", "--no-cache", "--quiet", "--exit-zero", "--ignore-noqa",
                "--output-format=json", "--select=AIR3",
                f"--target-version=py{policy.python.replace('.', '')}",
                "--", *paths,
            ],
            stdout=subprocess.PIPE,
            text=True,
        )  # fmt: skip

    def findings(self) -> Iterator[Finding]:
        """Wait for ruff and yield its findings."""
        output, _ = self.process.communicate()
        for entry in json.loads(output or "[]"):
            name = Path(entry["filename"]).relative_to(self.root).as_posix()
            message = entry["message"].replace("`", "").rstrip(".")
            line = entry["location"]["row"]
            if entry["code"] in (None, "invalid-syntax"):
                wrong = f"{message} (the image runs Python {self.python})"
                yield Finding(
                    name, line, "python-syntax", wrong, f"Write it in Python {self.python}'s syntax"
                )
            else:
                fix = (entry.get("fix") or {}).get(
                    "message"
                ) or "Use what airflow.sdk or a provider has in its place"
                yield Finding(name, line, "airflow-3", f"{message} ({entry['code']})", fix.replace("`", ""))
