"""The answers that this repository was generated with, read from [tool.airflow-etl] in pyproject.toml."""

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SECRETS = ROOT / "secrets"
KNOWN_HOSTS = ROOT / "helm" / "known_hosts"
MANIFEST = SECRETS / "kubernetes.yaml"
RELEASE = "airflow"


def read(pyproject: Path) -> dict[str, str]:
    """Return the answers. Needs no TOML library: the hook that makes the keys has none on Python 3.10."""
    section = pyproject.read_text(encoding="utf-8").partition("\n[tool.airflow-etl]\n")[2].partition("\n[")[0]
    lines = (line.partition(" = ") for line in section.splitlines() if not line.startswith("#"))
    # Plain TOML strings are Python's too, comments behind them included.
    return {key.strip(): ast.literal_eval(value) for key, _, value in lines if value}


_answers = read(ROOT / "pyproject.toml")

SLUG = _answers["project_slug"]
GIT_REPO = _answers["git_repo"]
GIT_BRANCH = _answers["git_branch"]
DAGS_SUBPATH = _answers["dags_subpath"]
GIT_ACCESS = _answers["git_access"]
DAG_DELIVERY = _answers["dag_delivery"]
DEPLOY_KEY_TYPE = _answers["deploy_key_type"]
EXECUTOR = _answers["executor"]
NAMESPACE = _answers["namespace"]
# "port-forward", "nodeport" or the host name of the ingress.
EXPOSE = _answers["expose"]
# Where the environment does not say otherwise (the Makefile passes both on).
KUBECTL, HELM = "kubectl", "helm"
