"""The answers that this repository was generated with, read from [tool.airflow-etl] in pyproject.toml.

ENV=staging lays [tool.airflow-etl.environments.staging] over them: another namespace, branch, cluster.
"""

import sys
import tomllib
from pathlib import Path
from typing import cast

from etl_tools import project

ROOT = project.find()
KNOWN_HOSTS = ROOT / "helm" / "known_hosts"
RELEASE = "airflow"


def read(pyproject: Path) -> dict[str, dict[str, str]]:
    """Return environment → answers; those of the repository itself are under ""."""
    try:
        table: dict[str, str] = tomllib.loads(pyproject.read_text(encoding="utf-8"))["tool"]["airflow-etl"]
    except tomllib.TOMLDecodeError as problem:
        print(f"pyproject.toml is no TOML: {problem}", file=sys.stderr)
        raise SystemExit(2) from None
    environments = cast("dict[str, dict[str, str]]", table.pop("environments", {}))
    return {"": table} | environments


def environment(known: list[str]) -> str:
    """Return what ENV names: an environment of pyproject.toml, or "" for the only one there is."""
    name = project.environment_name()
    if name not in known:
        there = ", ".join(filter(None, known)) or "none; docs/environments.md says how to add one"
        section = f"[tool.airflow-etl.environments.{name}]"
        print(f"ENV={name}: pyproject.toml has no {section} (it has: {there})", file=sys.stderr)
        raise SystemExit(2)
    return name


ALL = read(ROOT / "pyproject.toml")
ENV = environment(list(ALL))
_answers = ALL[""] | ALL[ENV]

SECRETS = ROOT / "secrets" / ENV
SLUG = _answers["project_slug"]
GIT_REPO = _answers["git_repo"]
# Of an environment: a branch, or a tag.
GIT_BRANCH = _answers["git_branch"]
DAGS_SUBPATH = _answers["dags_subpath"]
GIT_ACCESS = _answers["git_access"]
SSH = GIT_ACCESS == "ssh-deploy-key"
GITHUB_APP = GIT_ACCESS == "github-app"
DAG_DELIVERY = _answers["dag_delivery"]
DEPLOY_KEY_TYPE = _answers["deploy_key_type"]
EXECUTOR = _answers["executor"]
NAMESPACE = _answers["namespace"]
# The kubectl context that an environment is in, if it is in one of its own.
CONTEXT = _answers.get("context", "")
# "port-forward", "nodeport" or the host name of the ingress.
EXPOSE = _answers["expose"]


def in_secrets(name: str) -> str:
    """Return how a person calls a file in this environment's folder of secrets."""
    return str((SECRETS / name).relative_to(ROOT))
