"""The environment that DAG files see: a pod's. Imports Airflow, once, before processes are forked."""

from __future__ import annotations

import atexit
import contextlib
import importlib
import os
import re
import shutil
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

from ..config import Policy, helm_values
from ..discovery import NO_AIRFLOW
from ..model import PolicyError

# What a pod has, too, of the environment of the person who calls; the rest would make the findings differ.
KEPT = ("PATH", "LANG", "LC_ALL", "LC_CTYPE")


def load_airflow(paths: list[Path], root: Path, policy: Policy) -> None:
    """Import Airflow, and of it what the files import: the DAG processor does so before it forks, too."""
    home = os.path.realpath(tempfile.mkdtemp(prefix="dag-integrity-"))
    plugins = next((one for one in policy.path if Path(one).name == "plugins"), f"{home}/plugins")
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    tempfile.tempdir = home
    for folder in _in_airflow_home(root, policy):
        Path(home, folder.name).symlink_to(folder)
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    os.environ.clear()
    os.environ |= kept | pod_environment(root) | policy.environment
    os.environ.update(
        HOME=home,
        AIRFLOW_HOME=home,
        TMPDIR=home,
        AIRFLOW__CORE__DAGS_FOLDER=str(root / policy.dags_folder),
        AIRFLOW__CORE__PLUGINS_FOLDER=str(root / plugins),
        AIRFLOW__CORE__LOAD_EXAMPLES="False",
        AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT="0",  # `Pool` sees to it
        AIRFLOW__CORE__DAGBAG_IMPORT_ERROR_TRACEBACKS="True",
        AIRFLOW__CORE__DAGBAG_IMPORT_ERROR_TRACEBACK_DEPTH="100",
        AIRFLOW__LOGGING__LOGGING_LEVEL="CRITICAL",
        OBJC_DISABLE_INITIALIZE_FORK_SAFETY="YES",  # or macOS refuses to work in a forked process
        no_proxy="*",
    )
    with _quiet():
        _import(paths)


def _import(paths: list[Path]) -> None:
    try:
        from . import parse
    except ImportError as error:
        raise PolicyError(f"{error}: {NO_AIRFLOW}.") from None
    modules = set()
    for path in paths:
        text = path.read_text(encoding="utf-8", errors="replace")
        modules.update(re.findall(r"^\s*(?:from|import)\s+(airflow\.[\w.]+)", text, re.M))
    for module in sorted(modules):
        with contextlib.suppress(Exception):
            importlib.import_module(module)
    parse.warm_up()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep what Airflow and libraries print when they are imported, C code's too, off the first screen."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept = [os.dup(1), os.dup(2)]
    with open(os.devnull, "wb") as nowhere, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for number in (1, 2):
            os.dup2(nowhere.fileno(), number)
        try:
            yield
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for number, descriptor in enumerate(kept, 1):
                os.dup2(descriptor, number)
                os.close(descriptor)


def _in_airflow_home(root: Path, policy: Policy) -> Iterator[Path]:
    """What is beside a DAG folder whose parent is on the path: AIRFLOW_HOME, as in Astronomer's image."""
    parent = (root / policy.dags_folder).parent
    on_path = [root / one for one in policy.path]
    home = next((one for one in (parent, root) if one in on_path), None)
    for folder in home.iterdir() if home else ():
        # Not what Airflow writes, and not code of the repository's own about all of Airflow
        if folder.is_dir() and folder.name != "logs" and not (folder / "airflow_local_settings.py").exists():
            yield folder


def pod_environment(root: Path) -> dict[str, str]:
    """What helm/values.yaml sets in every pod, but for Airflow's own settings."""
    env = helm_values(root).get("env")
    pairs = [(one.get("name"), one.get("value")) for one in env or () if isinstance(one, dict)]
    named = [(name, value) for name, value in pairs if isinstance(name, str) and value is not None]
    return {name: str(value) for name, value in named if not name.startswith("AIRFLOW")}
