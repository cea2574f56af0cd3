"""The values that Helm is given: which files, how they merge, the Secrets that they name."""

import json
import os
from collections.abc import Iterator
from functools import reduce
from typing import Any

import yaml

from etl_tools import answers

CHARTS = "https://airflow.apache.org"
# What the chart reads from each Secret that it is given by name.
KEYS_OF = {
    "fernetKeySecretName": "fernet-key",
    "apiSecretKeySecretName": "api-secret-key",
    "jwtSecretName": "jwt-secret",
    "metadataSecretName": "connection",
    "brokerUrlSecretName": "connection",
    "passwordSecretName": "password",
    "existingSecret": "postgres-password",
    "sshKeySecret": "gitSshKey",
    "credentialsSecret": "GITSYNC_USERNAME GITSYNC_PASSWORD GIT_SYNC_USERNAME GIT_SYNC_PASSWORD",
    "configSecretName": "pgbouncer.ini users.txt",
}


def files(environment: str = answers.ENV) -> list[str]:
    """Return an environment's values files, in order: helm/values.yaml, then its own; VALUES names others."""
    own = f"helm/values.{environment}.yaml"
    names = os.environ.get("VALUES", "").split() if environment == answers.ENV else []
    names = names or ["helm/values.yaml", *([own] if environment and (answers.ROOT / own).exists() else [])]
    if missing := [name for name in names if not (answers.ROOT / name).exists()]:
        raise FileNotFoundError(f"there is no {', '.join(missing)}; VALUES names the values files")
    return names


def merged(environment: str = answers.ENV) -> dict[str, Any]:
    """Return the values as Helm merges them: mappings key by key, anything else by the later file."""
    texts = [(answers.ROOT / name).read_text(encoding="utf-8") for name in files(environment)]
    return reduce(overlaid, (yaml.safe_load(text) or {} for text in texts))


def chart() -> list[str]:
    """Return the arguments that name release, chart and values: the same for an upgrade and a rendering.

    CHART is a folder or archive in place of the published chart, CHART_VERSION the version of that one. What
    pyproject.toml says about this environment, its branch and its data_root, comes over the files.
    """
    folder = os.environ.get("CHART")
    source = [folder] if folder else ["airflow", "--repo", CHARTS, "--version", os.environ["CHART_VERSION"]]
    own = answers.ALL[answers.ENV] if answers.ENV else {}
    bundle = "dagProcessor.dagBundleConfigList[0].kwargs.tracking_ref"
    paths = {"git_branch": "dags.gitSync.ref" if answers.DAG_DELIVERY == "git-sync" else bundle}
    if "data_root" in own:
        names = [variable["name"] for variable in merged().get("env", [])]
        paths["data_root"] = f"env[{names.index('ETL_DATA_ROOT')}].value"
    over = [f"--set-json={path}={json.dumps(own[name])}" for name, path in paths.items() if name in own]
    return [answers.RELEASE, *source, *(f"--values={answers.ROOT / name}" for name in files()), *over]


def overlaid(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    both = {
        key: overlaid(below[key], value)
        for key, value in above.items()
        if isinstance(value, dict) and isinstance(below.get(key), dict)
    }
    return below | above | both


def paths(values: Any, above: str = "") -> Iterator[tuple[str, Any]]:
    """Yield dotted path (in a list: the place) and value of everything in a JSON value, however deep."""
    for key, inner in values.items() if isinstance(values, dict) else enumerate(values):
        yield f"{above}{key}", inner
        if isinstance(inner, (dict, list)):
            yield from paths(inner, f"{above}{key}.")


def named_secrets(values: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield Secret and key for all that the values name and that must be there."""
    unused = [] if "Celery" in values.get("executor", "") else ["brokerUrlSecretName", "passwordSecretName"]
    if not values.get("postgresql", {}).get("enabled", True):
        unused.append("existingSecret")
    for path, inner in paths(values):
        name = path.rpartition(".")[2]
        if name in KEYS_OF and inner and name not in unused:
            yield from ((inner, key) for key in KEYS_OF[name].split())
        elif name == "secretKeyRef" and not inner.get("optional"):
            yield inner["name"], inner["key"]
        elif name == "secret" and isinstance(inner, dict) and "secretName" in inner:
            yield from ((inner["secretName"], key) for key in ("gitSshKey", "known_hosts"))
