"""The policy, `[tool.dag-integrity]` of pyproject.toml, and the values of helm/values.yaml."""

from __future__ import annotations

import re
import sys
import tomllib
from dataclasses import dataclass, field, fields
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from .exempt import Exemption, exemption_of
from .model import PolicyError, Rule

HEAVY = [
    "airflow.providers.cncf.kubernetes.hooks", "boto3", "botocore", "dask", "duckdb", "google.cloud",
    "kubernetes.config", "kubernetes.dynamic", "kubernetes.watch", "matplotlib", "numpy", "pandas",
    "polars", "pyarrow", "pyspark", "requests", "scipy", "sklearn", "snowflake", "tensorflow", "torch",
    "transformers",
]  # fmt: skip


# The keys that say what a repository is like, not what is asked of it.
LAYOUT = {"dags-folder", "dags-folders", "airflow-version", "baseline", "path", "python"}
VALUES = {"variables", "connections", "environment"}
LAYOUT |= VALUES


@dataclass(frozen=True)
class Policy:
    """The keys of `[tool.dag-integrity]` in Python's spelling; README.md says what each means."""

    stated: bool = False
    dags_folder: str = "dags"
    dags_folders: list[str] = field(default_factory=list)
    airflow_version: str = ""
    baseline: str = ""
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
        return rule.name not in self.off and (self.stated or not rule.house) and self.is_for(rule)

    def is_for(self, rule: Rule) -> bool:
        """Whether the rule is about this version of Airflow."""
        return numbers(self.airflow_version or installed_airflow() or "3.x") >= numbers(rule.since)

    @property
    def folders(self) -> list[str]:
        """The DAG folders; usually one."""
        return self.dags_folders or [self.dags_folder]


def read_policy(root: Path) -> Policy:
    """The policy of this repository. Raises PolicyError with one line that says what is wrong."""
    path = root / "pyproject.toml"
    try:
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        content = tomllib.loads(text)
        table = content.get("tool", {}).get("dag-integrity")
    except (OSError, ValueError) as error:
        raise PolicyError(f"pyproject.toml cannot be read: {error}.") from None
    kinds = {f.name.replace("_", "-"): str(f.type) for f in fields(Policy) if f.name != "stated"}
    for key, value in (table or {}).items():
        _check_key(key, value, kinds)
    table = table or {}
    keys = {key.replace("-", "_"): value for key, value in table.items() if key != "exempt"}
    for key in VALUES & set(keys):
        keys[key] = {name: value.replace("{root}", str(root)) for name, value in keys[key].items()}
    stated = bool(set(table) - LAYOUT)
    if not stated:
        keys.setdefault("path", [".", "plugins"])  # where such a repository is deployed, who knows
    oldest = re.search(r">=\s*(3\.\d+)", str(content.get("project", {}).get("requires-python")))
    if oldest:
        keys.setdefault("python", oldest[1])
    exempt = [exemption_of(entry, text) for entry in table.get("exempt", [])]
    policy = Policy(stated=stated, exempt=exempt, **keys)
    for folder in policy.folders:
        if not (root / folder).is_dir():
            raise PolicyError(
                f"There is no folder {folder}: "
                'write dags-folder = "…" under [tool.dag-integrity] in pyproject.toml, or let --init find it.'
            )
    if policy.airflow_version and not re.fullmatch(r"[23](\.(\d+|x))*", policy.airflow_version):
        wrong = f"[tool.dag-integrity] airflow-version must be like 2.11 or 3.x, not {policy.airflow_version!r}."
        raise PolicyError(wrong)
    return policy


@cache
def deployed_executors(root: Path) -> frozenset[str]:
    """The executors in helm/values.yaml, as a task may name them: alias, class or path of the class."""
    executor = helm_values(root).get("executor")
    names = re.split(r"[,:;=\s]+", executor) if isinstance(executor, str) and "{" not in executor else []
    return frozenset(part for name in names if name for part in (name, name.rpartition(".")[2]))


@cache
def helm_values(root: Path) -> dict[str, Any]:
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


def numbers(version: str) -> tuple[int, ...]:
    """A version as numbers: 2.11 is (2, 11); the x of 3.x is any, and so the newest."""
    parts = [999 if part == "x" else int(part) for part in re.findall(r"\d+|x", version)[:2]]
    return tuple(parts)


@cache
def installed_airflow() -> str:
    """The version of Airflow in this environment, without importing it; '' where there is none."""
    try:
        return metadata.version("apache-airflow")
    except metadata.PackageNotFoundError:
        return ""


def _check_key(key: str, value: Any, kinds: dict[str, str]) -> None:
    if key not in kinds:
        raise PolicyError(f"[tool.dag-integrity] has an unknown key: {key}. It may have {', '.join(kinds)}.")
    accepted: dict[str, Any] = {"str": str, "bool": bool, "int": int, "float": (int, float), "list[str]": list}
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
