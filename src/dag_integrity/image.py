"""What the image has: Python distributions, and which of them brings a module."""

from __future__ import annotations

import importlib.metadata
import re
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from .config import Policy

STOCK_IMAGE = Path(__file__).with_name("stock_image.txt")
# Modules of Python that the Python of this process may lack
NEW_STDLIB = {"tomllib", "annotationlib", "compression"}


def image_packages(root: Path, policy: Policy) -> set[str]:
    """The distributions in the image, normalized; empty where that is not known."""
    lock = root / "requirements-image.lock"
    files = [path for path in (STOCK_IMAGE, lock) if path.is_file()]
    if not policy.stock_image or STOCK_IMAGE not in files:
        return set()
    lines = [line.strip() for path in files for line in path.read_text(encoding="utf-8").splitlines()]
    names = [match[0] for line in lines if (match := re.match(r"[A-Za-z0-9][\w.-]*", line))]
    return {_normal(name) for name in [*names, *policy.image_packages]}


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@cache
def distributions(module: str, dags: Path) -> set[str]:
    """The distributions that may bring this module; none for Python's, Airflow's and the folder's own."""
    top = module.split(".")[0]
    if top in sys.stdlib_module_names | NEW_STDLIB or (dags / top).exists() or (dags / f"{top}.py").exists():
        return set()
    if top == "airflow":
        return {provider(module)} if re.match(r"airflow\.providers\.\w+\.\w+", module) else set()
    return {_normal(name) for name in _installed().get(top, [top])}


def provider(module: str) -> str:
    """The distribution that brings a module of a provider."""
    parts = module.split(".")[2:]
    groups = {"apache", "atlassian", "cncf", "common", "dbt", "microsoft"}
    return "-".join(["apache-airflow-providers", *parts[: 2 if parts[0] in groups else 1]]).replace("_", "-")


@cache
def _installed() -> Mapping[str, list[str]]:
    return importlib.metadata.packages_distributions()
