"""The values that Helm is given: which files, how they merge, the Secrets that they name."""

import json
import os
from collections.abc import Iterator
from typing import Any

import yaml

from tools import answers

CHARTS = "https://airflow.apache.org"
# What the chart reads from each Secret that it is given by name.
KEYS_OF = {
    "fernetKeySecretName": ["fernet-key"],
    "apiSecretKeySecretName": ["api-secret-key"],
    "jwtSecretName": ["jwt-secret"],
    "metadataSecretName": ["connection"],
    "brokerUrlSecretName": ["connection"],
    "passwordSecretName": ["password"],
    "existingSecret": ["postgres-password"],
    "sshKeySecret": ["gitSshKey"],
    "credentialsSecret": ["GITSYNC_USERNAME", "GITSYNC_PASSWORD", "GIT_SYNC_USERNAME", "GIT_SYNC_PASSWORD"],
    "configSecretName": ["pgbouncer.ini", "users.txt"],
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
    values: dict[str, Any] = {}
    for name in files(environment):
        values = overlaid(values, yaml.safe_load((answers.ROOT / name).read_text(encoding="utf-8")) or {})
    return values


def of_environment() -> list[str]:
    """Return the arguments for what pyproject.toml says about this environment: its branch, its data_root."""
    own = answers.ALL[answers.ENV] if answers.ENV else {}
    bundle = "dagProcessor.dagBundleConfigList[0].kwargs.tracking_ref"
    ref = "dags.gitSync.ref" if answers.DAG_DELIVERY == "git-sync" else bundle
    found = {ref: own["git_branch"]} if "git_branch" in own else {}
    if "data_root" in own:
        names = [variable["name"] for variable in merged().get("env", [])]
        found[f"env[{names.index('ETL_DATA_ROOT')}].value"] = own["data_root"]
    return [f"--set-json={path}={json.dumps(value)}" for path, value in found.items()]


def chart() -> list[str]:
    """Return the arguments that name release, chart and values: the same for an upgrade and a rendering.

    CHART is a folder or archive in place of the published chart, CHART_VERSION the version of that one.
    """
    own = os.environ.get("CHART")
    source = [own] if own else ["airflow", "--repo", CHARTS, "--version", os.environ["CHART_VERSION"]]
    return [
        answers.RELEASE,
        *source,
        *(f"--values={answers.ROOT / name}" for name in files()),
        *of_environment(),
    ]


def overlaid(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    both = {
        key: overlaid(below[key], value)
        for key, value in above.items()
        if isinstance(value, dict) and isinstance(below.get(key), dict)
    }
    return below | above | both


def named_secrets(values: dict[str, Any]) -> Iterator[tuple[str, list[str]]]:
    """Yield each Secret that the values name and that must be there, with the keys that are read from it."""
    unused = (
        set() if "Celery" in values.get("executor", "") else {"brokerUrlSecretName", "passwordSecretName"}
    )
    if not values.get("postgresql", {}).get("enabled", True):
        unused.add("existingSecret")

    def below(value: Any) -> Iterator[tuple[str, list[str]]]:
        for key, inner in value.items() if isinstance(value, dict) else ():
            if key in KEYS_OF and inner and key not in unused:
                yield inner, KEYS_OF[key]
            elif key == "secretKeyRef" and not inner.get("optional"):
                yield inner["name"], [inner["key"]]
            elif key == "secret" and isinstance(inner, dict) and "secretName" in inner:
                yield inner["secretName"], ["gitSshKey", "known_hosts"]
        for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            yield from below(inner)

    yield from below(values)
