"""The policy, `[tool.dag-integrity]` of pyproject.toml, and the exemptions from the rules."""

from __future__ import annotations

import fnmatch
import re
import runpy
import sys
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path

from . import RULES, Finding, PolicyError, Rule, finding

HEAVY = [
    "airflow.providers.cncf.kubernetes.hooks", "boto3", "botocore", "dask", "duckdb", "google.cloud",
    "kubernetes.config", "kubernetes.dynamic", "kubernetes.watch", "matplotlib", "numpy", "pandas",
    "polars", "pyarrow", "pyspark", "requests", "scipy", "sklearn", "snowflake", "tensorflow", "torch",
    "transformers",
]  # fmt: skip


@dataclass(frozen=True)
class Exemption:
    """Rules that a file, line or DAG need not follow, and why; `line` None is the whole file."""

    rules: tuple[str, ...]
    reason: str
    said_in: str
    said_at: int
    file: str = "*"
    line: int | None = None
    dag: str = "*"

    def covers(self, one: Finding) -> bool:
        return (
            bool(self.reason)
            and one.rule in self.rules
            and self.line in (None, one.line)
            and fnmatch.fnmatchcase(one.file, self.file)
            and fnmatch.fnmatchcase(one.dag_id, self.dag)
        )


@dataclass(frozen=True)
class Policy:
    """The keys of `[tool.dag-integrity]` in Python's spelling; README.md says what each means."""

    stated: bool = False
    dags_folder: str = "dags"
    path: list[str] = field(default_factory=list)
    python: str = f"{sys.version_info[0]}.{sys.version_info[1]}"
    off: list[str] = field(default_factory=list)
    own_rules: str = ""
    owners: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    dag_id_pattern: str = "{file}"
    task_id_pattern: str = "[a-z][a-z0-9_]*"
    min_retries: int = 1
    min_retry_delay: float = 10
    pools: list[str] = field(default_factory=lambda: ["default_pool"])
    queues: list[str] = field(default_factory=lambda: ["default"])
    executors: list[str] = field(default_factory=list)
    external_assets: list[str] = field(default_factory=list)
    external_dags: list[str] = field(default_factory=list)
    roles: list[str] = field(default_factory=list)
    stock_image: bool = False
    image_packages: list[str] = field(default_factory=list)
    heavy_modules: list[str] = field(default_factory=lambda: HEAVY)
    import_budget: float = 2
    time_limit: float = 30
    variables: dict[str, str] = field(default_factory=dict)
    connections: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    max_output: int = 2000
    exempt: list[Exemption] = field(default_factory=list)

    def applies(self, rule: Rule) -> bool:
        return rule.name not in self.off and (self.stated or not rule.house)


def read_policy(root: Path) -> Policy:
    """The policy of this repository. Raises PolicyError with one line that says what is wrong."""
    path = root / "pyproject.toml"
    try:
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        content = tomllib.loads(text)
        table = content.get("tool", {}).get("dag-integrity")
    except (OSError, ValueError) as error:
        raise PolicyError(f"pyproject.toml cannot be read: {error}.") from None
    kinds = {f.name.replace("_", "-"): f.type for f in fields(Policy) if f.name != "stated"}
    for key, value in (table or {}).items():
        _check_key(key, value, kinds)
    table = table or {}
    keys = {key.replace("-", "_"): value for key, value in table.items() if key != "exempt"}
    stated = bool(set(table) - {"dags-folder", "path", "python", "variables", "connections", "environment"})
    if not stated:
        keys.setdefault("path", [".", "plugins"])  # where such a repository is deployed, who knows
    oldest = re.search(r">=\s*(3\.\d+)", str(content.get("project", {}).get("requires-python")))
    if oldest:
        keys.setdefault("python", oldest[1])
    exempt = [_exemption(entry, text) for entry in table.get("exempt", [])]
    policy = Policy(stated=stated, exempt=exempt, **keys)
    if not (root / policy.dags_folder).is_dir():
        raise PolicyError(
            f"There is no folder {policy.dags_folder}: "
            'write dags-folder = "…" under [tool.dag-integrity] in pyproject.toml.'
        )
    _load_own_rules(root, policy)
    for name in policy.off:
        if name not in RULES:
            raise PolicyError(f"[tool.dag-integrity] off: there is no rule {name}; --rules lists them.")
    return policy


@cache
def deployed_executors(root: Path) -> frozenset[str]:
    """The executors in helm/values.yaml, as a task may name them: alias, class or path of the class."""
    executor = helm_values(root).get("executor")
    names = re.split(r"[,:;=\s]+", executor) if isinstance(executor, str) and "{" not in executor else []
    return frozenset(part for name in names if name for part in (name, name.rpartition(".")[2]))


@cache
def helm_values(root: Path) -> dict:
    """The values for Airflow's chart in helm/values.yaml; nothing where there are none that can be read."""
    try:
        import yaml  # which Airflow brings
    except ImportError:
        return {}
    try:
        values = yaml.safe_load((root / "helm" / "values.yaml").read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return {}
    return values if isinstance(values, dict) else {}


def _check_key(key: str, value, kinds: dict[str, str]) -> None:
    if key not in kinds:
        raise PolicyError(f"[tool.dag-integrity] has an unknown key: {key}. It may have {', '.join(kinds)}.")
    accepted = {"str": str, "bool": bool, "int": int, "float": (int, float), "list[str]": list}
    accepted["dict[str, str]"] = dict
    right = isinstance(value, accepted.get(kinds[key], list))
    if kinds[key] == "list[str]":
        right = right and all(isinstance(item, str) for item in value)
    elif kinds[key] == "dict[str, str]":
        right = right and all(isinstance(item, str) for item in value.values())
    if not right:
        words = {"list[str]": "a list of strings", "str": "a text", "bool": "true or false"}
        kind = (words | {"dict[str, str]": "a table of texts"}).get(kinds[key], "a number")
        raise PolicyError(f"[tool.dag-integrity] {key} must be {kind}, not {value!r}.")
    if key.endswith("-pattern"):
        try:
            re.compile(value.replace("{file}", "x"))
        except re.error as error:
            raise PolicyError(f"[tool.dag-integrity] {key} is not a regular expression: {error}.") from None


def _exemption(entry: dict, text: str) -> Exemption:
    given = entry if isinstance(entry, dict) else {}
    texts = all(isinstance(value, str) and value.strip() for value in given.values())
    if not texts or not {"rule", "reason"} <= set(given) <= {"rule", "reason", "dag", "file"}:
        raise PolicyError(
            f"[tool.dag-integrity] exempt = {entry!r}: write "
            '{ rule = "…", dag = "…", reason = "…" }, or file = "…" instead of dag, with * for anything.'
        )
    at = text[: text.find(entry["reason"])].count("\n") + 1
    where = {key: entry[key] for key in ("dag", "file") if key in entry}
    return Exemption((entry["rule"],), entry["reason"], "pyproject.toml", at, **where)


def _load_own_rules(root: Path, policy: Policy) -> None:
    if not policy.own_rules:
        return
    before = set(RULES)
    try:
        runpy.run_path(str(root / policy.own_rules))
    except ModuleNotFoundError as error:
        # Where the checks were until 2.0.
        if (error.name or "").partition(".")[0] != "tools":
            raise PolicyError(f"{policy.own_rules}: {type(error).__name__}: {error}") from None
        raise PolicyError(
            f"{policy.own_rules}: {error.name} is gone, the checks are installed now: "
            "write from dag_integrity import rule, problem."
        ) from None
    except Exception as error:
        raise PolicyError(f"{policy.own_rules}: {type(error).__name__}: {error}") from None
    for name in set(RULES) - before:
        if not (RULES[name].broken.strip() and RULES[name].fixed.strip()):
            raise PolicyError(
                f"{policy.own_rules}: rule {name} has no example: write broken='''…''' and fixed='''…'''."
            )


def apply_exemptions(
    findings: Iterable[Finding], comments: list[Exemption], policy: Policy, unfinished: set[str]
) -> list[Finding]:
    """The findings that remain, with those about the exemptions themselves.

    An exemption that exempts nothing is stale; that is not said of the files in `unfinished`, which could not
    be checked by every rule.
    """
    left, used = [], set()
    exemptions = [*comments, *policy.exempt]
    for one in findings:
        by = [exemption for exemption in exemptions if exemption.covers(one)]
        used.update((exemption, one.rule) for exemption in by)
        if not by and one.rule not in policy.off:
            left.append(one)
    how = "Write # dag-integrity: ignore[rule] and the reason"

    def fault(exemption: Exemption, wrong: str, cure: str = "") -> None:
        left.append(finding("exemption", exemption.said_in, exemption.said_at, wrong, cure))

    for exemption in exemptions:
        names = ", ".join(exemption.rules)
        if not names:
            fault(exemption, "The exemption names no rule", how)
        elif not exemption.reason:
            fault(exemption, f"The exemption from {names} has no reason, and so no effect", how)
        else:
            for name in exemption.rules:
                if name not in RULES:
                    fault(exemption, f"There is no rule {name}", "Use a name that --rules lists")
                elif (exemption, name) not in used and exemption.said_in not in unfinished:
                    fault(exemption, f"The exemption from {name} exempts nothing")
    return left
