"""The policy: `[tool.dag-integrity]` of pyproject.toml, where every key is explained."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, field, fields
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


class PolicyError(Exception):
    """The policy cannot be used as it is written; the message says what to change."""


@dataclass(frozen=True)
class Exemption:
    """An `exempt` entry of the policy: a rule that a DAG or file need not follow, and why."""

    rule: str
    reason: str
    dag: str = ""
    file: str = ""
    line: int = 1


@dataclass(frozen=True)
class Policy:
    """The keys of `[tool.dag-integrity]`, in Python's spelling; see pyproject.toml for what each means."""

    dags_folder: str
    python: str
    owners: list[str]
    tags: list[str] = field(default_factory=list)
    dag_id_pattern: str = "{file}"
    task_id_pattern: str = "[a-z][a-z0-9_]*"
    min_retries: int = 1
    min_retry_delay: float = 10
    pools: list[str] = field(default_factory=lambda: ["default_pool"])
    queues: list[str] = field(default_factory=lambda: ["default"])
    external_assets: list[str] = field(default_factory=list)
    heavy_modules: list[str] = field(default_factory=list)
    import_budget: float = 30
    time_limit: float = 30
    max_output: int = 2000
    exempt: list[Exemption] = field(default_factory=list)


def read_policy(pyproject: Path) -> Policy:
    """The policy in this pyproject.toml. Raises PolicyError with one line that says what is wrong."""
    text = pyproject.read_text(encoding="utf-8")
    table = tomllib.loads(text).get("tool", {}).get("dag-integrity")
    if table is None:
        raise PolicyError(f"{pyproject.name} has no [tool.dag-integrity].")
    kinds = {f.name.replace("_", "-"): f.type for f in fields(Policy)}
    if unknown := sorted(set(table) - set(kinds)):
        raise PolicyError(f"[tool.dag-integrity] has unknown keys: {', '.join(unknown)}.")
    if missing := sorted({"dags-folder", "python", "owners"} - set(table)):
        raise PolicyError(f"[tool.dag-integrity] lacks {', '.join(missing)}.")
    accepted = {"str": str, "int": int, "float": (int, float)}
    for key, value in table.items():
        if kinds[key] in accepted and not isinstance(value, accepted[kinds[key]]):
            raise PolicyError(f"[tool.dag-integrity] {key} must be a {kinds[key]}, not {value!r}.")
        if kinds[key] == "list[str]" and not (
            isinstance(value, list) and all(isinstance(v, str) for v in value)
        ):
            raise PolicyError(f"[tool.dag-integrity] {key} must be a list of strings, not {value!r}.")
    for key in ("dag-id-pattern", "task-id-pattern"):
        try:
            re.compile(table.get(key, "").replace("{file}", "x"))
        except re.error as error:
            raise PolicyError(f"[tool.dag-integrity] {key} is no regular expression: {error}.") from None
    return Policy(
        **{key.replace("-", "_"): value for key, value in table.items() if key != "exempt"},
        exempt=[_exemption(entry, text) for entry in table.get("exempt", [])],
    )


def _exemption(entry: dict, text: str) -> Exemption:
    """An `exempt` entry with the line where its reason stands."""
    if (
        not {"rule", "reason"} <= set(entry) <= {"rule", "reason", "dag", "file"}
        or not str(entry["reason"]).strip()
    ):
        raise PolicyError(
            f"[tool.dag-integrity] exempt = {entry!r}: write "
            '{ rule = "…", dag = "…", reason = "…" }, or file = "…" instead of dag.'
        )
    quoted = entry["reason"] if entry["reason"] in text else entry["rule"]
    return Exemption(**entry, line=text[: text.find(quoted)].count("\n") + 1)
