"""`dag-integrity --init`: looks at a repository and writes a policy that fits it; never over one that is there."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from .config import installed_airflow, numbers
from .layout import Layout, is_in
from .model import PolicyError, some

SECRET = re.compile(r"(?i)pass(word|wd)?$|secret|token|(api|access|fernet)_?key|private|credential")
LOGIN = re.compile(r"(://[^:/@\s]*):[^@/\s]*@")
COMPUTED = re.compile(r"\bVariable\.get\(\s*(?:key\s*=\s*)?(?:f[\"']|[a-zA-Z_])")
NAMED = {
    "variables": re.compile(r"\bVariable\.get\(\s*(?:key\s*=\s*)?[\"']([\w.-]+)[\"']"),
    "connections": re.compile(
        r"\bget_connection\(\s*(?:conn_id\s*=\s*)?[\"']([\w.-]+)[\"']|conn_id\s*=\s*[\"']([\w.-]+)[\"']"
    ),
    "environment": re.compile(r"\b(?:environ(?:\.get)?|getenv)\s*[\[(]\s*[\"'](\w+)[\"']"),
}
NEEDED = re.compile(r"\benviron\[\s*[\"'](\w+)[\"']\s*\](?!\s*=[^=])")
SETTING = re.compile(
    r"^\s*(?:-\s*|ENV\s+|ARG\s+|export\s+)?([A-Z][A-Z0-9_]*)\s*[:= ]\s*[\"']?([^\"'\n#]*?)[\"']?\s*(?:#.*)?$", re.M
)
KEPT_SETTINGS = ("AIRFLOW__CORE__DAG_IGNORE_FILE_SYNTAX",)
# Which of several files is most like a development's
FOR_TRIAL = re.compile(r"(?i)dev|local|test|example|sample")


def write_policy(root: Path) -> str:
    """Write [tool.dag-integrity] into pyproject.toml; returns what was found and written, in words."""
    path = root / "pyproject.toml"
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    try:
        there = "dag-integrity" in tomllib.loads(text).get("tool", {})
    except tomllib.TOMLDecodeError as error:
        raise PolicyError(f"pyproject.toml cannot be read: {error}.") from None
    if there:
        raise PolicyError("pyproject.toml has [tool.dag-integrity] already: --init never changes one.")
    layout = Layout(root)
    if not layout.dags_folders:
        raise PolicyError(f"There is no file with a DAG below {root.name}: --root names another folder.")
    policy = propose(layout)
    table = "\n".join(["[tool.dag-integrity]", *(f"{key} = {_toml(value)}" for key, value in policy.items())])
    path.write_text("\n\n".join(filter(None, [text.rstrip("\n"), table])) + "\n", encoding="utf-8")
    return "\n".join(["Written into pyproject.toml:", table, "", *_advice(layout, policy)])


def propose(layout: Layout) -> dict[str, Any]:
    """The policy that fits: only what the repository is like, no house style."""
    folders = layout.dags_folders
    policy: dict[str, Any] = {"dags-folder": folders[0]} if len(folders) == 1 else {"dags-folders": folders}
    if layout.airflow_version:
        policy["airflow-version"] = layout.airflow_version
    if layout.python:
        policy["python"] = layout.python
    policy["path"] = layout.path
    known = {key: values for key, values in known_values(layout).items() if values}
    return policy | known


def known_values(layout: Layout) -> dict[str, dict[str, str]]:
    """The variables, connections and environment that DAG folders read and the repository has values for."""
    code = "\n".join(layout.text(name) for name in layout.sources)
    settings = {name: _plain(layout, name, value) for name, value in _settings(layout)}
    values: dict[str, dict[str, str]] = {"variables": {}, "connections": {}, "environment": {}}
    for name, value in settings.items():
        kind, _, rest = name.removeprefix("AIRFLOW_").partition("_")
        if name.startswith("AIRFLOW_VAR_"):
            values["variables"][rest.lower()] = value
        elif kind == "CONN" and "://" in value:
            values["connections"][rest.lower()] = value
    values["variables"] |= dict(_variables(layout))
    for key in ("variables", "connections"):
        read = _read(key, code)
        everything = key == "variables" and COMPUTED.search(code)
        values[key] = {name: value for name, value in values[key].items() if everything or name in read}
    read = {*_read("environment", code), *KEPT_SETTINGS}
    values["environment"] = {name: value for name, value in settings.items() if name in read}
    return values


def _plain(layout: Layout, name: str, value: str) -> str:
    """The value without what is secret: '' for a password, so that what reads it at import can be looked at.

    A folder that the image has is that of the repository.
    """
    if SECRET.search(name):
        return ""
    if SECRET.search(unquote(value).partition("?")[2]):
        value = value.partition("?")[0]
    here = layout.in_repository(value) if value.startswith("/") else []
    return f"{{root}}/{here[0]}" if here else LOGIN.sub(r"\1@", value)


def _read(kind: str, code: str) -> set[str]:
    return {name for match in NAMED[kind].finditer(code) for name in match.groups() if name}


def _settings(layout: Layout) -> Iterator[tuple[str, str]]:
    """What images, docker compose and .env files set, as far as it is plain text."""
    for file in reversed(layout.images):
        for name, value in SETTING.findall(layout.text(file)):
            value = re.sub(r"^\$\{\w+:?-([^}]*)\}$", r"\1", value.strip())
            if value and "$" not in value and not value.startswith(("&", "*", "[", "{", "|", ">")):
                yield name, value


def _variables(layout: Layout) -> Iterator[tuple[str, str]]:
    """Airflow's Variables in files that are made for import, those of a development last: they count."""
    names = layout.named(r"(?i)(^|/)[^/]*variables?[^/]*\.json$")
    names = [name for name in names if not any(is_in(name, folder) for folder in layout.dags_folders)]
    for name in sorted(names, key=lambda name: (bool(FOR_TRIAL.search(name)), name)):
        try:
            content = json.loads(layout.text(name))
        except ValueError:
            continue
        for key, value in content.items() if isinstance(content, dict) else ():
            plain = value if isinstance(value, str) else json.dumps(_without_secrets(value))
            yield key, _plain(layout, key, plain)


def _without_secrets(value: Any) -> Any:
    """The same without the texts that have a secret's name."""
    if isinstance(value, list):
        return [_without_secrets(one) for one in value]
    if not isinstance(value, dict):
        return value
    hidden = {key for key, one in value.items() if isinstance(one, str) and SECRET.search(key)}
    return {key: "" if key in hidden else _without_secrets(one) for key, one in value.items()}


def _advice(layout: Layout, policy: dict[str, Any]) -> Iterator[str]:
    """What to know and to do next."""
    here, there = installed_airflow(), layout.airflow_version
    if there and numbers(here)[:1] != numbers(there)[:1]:
        wrong = f"The repository's Airflow is {there}, and {here or 'none'} is here"
        yield f"{wrong}: run the checks by a Python that has {there}."
    code = "\n".join(layout.text(name) for name in layout.sources)
    missing = sorted(set(NEEDED.findall(code)) - set(policy.get("environment", ())))
    if missing:
        wrong = f"No file says the value of {some(missing)}, which the DAG files read from the environment"
        yield f'{wrong}: write environment = {{ {missing[0]} = "…" }}.'
    read = _read("variables", code) - set(policy.get("variables", ()))
    if read:
        wrong = f"No file says the value of the Variables {some(sorted(read))}"
        yield f'{wrong}: write variables = {{ name = "…" }} for those that DAG files read at import without a default.'
    yield "Next: dag-integrity, and for what is there today: dag-integrity --baseline dag-integrity.json"


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_key(key)} = {_toml(one)}" for key, one in sorted(value.items())) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _key(name: str) -> str:
    return name if re.fullmatch(r"[\w-]+", name, re.ASCII) else _toml(name)
