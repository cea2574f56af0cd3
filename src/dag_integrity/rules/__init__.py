"""The rules, found as flake8 finds its plugins: modules named by entry points of the group `dag_integrity.rules`.

Importing such a module registers its rules, by `@rule(...)`. A package of anybody's may bring some.
"""

from __future__ import annotations

import importlib
import runpy
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path

from ..config import Policy
from ..model import RULES, PolicyError

GROUP = "dag_integrity.rules"
# The same as in pyproject.toml: they are found without an installed distribution, too, and never missing.
OWN = ("engine", "files", "code", "dags", "templates", "runs", "tasks", "outputs", "folders")


def load_rules(root: Path, policy: Policy) -> None:
    """Load all rules: built in, of installed packages, and those of the repository."""
    load_packaged()
    load_own(root, policy)
    for name in policy.off:
        if name not in RULES:
            raise PolicyError(f"[tool.dag-integrity] off: there is no rule {name}; --rules lists them.")


@cache
def load_packaged() -> None:
    """Import the modules with rules, our own first."""
    for name in OWN:
        importlib.import_module(f"{__name__}.{name}")
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        try:
            entry.load()
        except Exception as error:
            package = entry.dist.name if entry.dist else entry.value
            wrong = f"The rules of package {package} cannot be loaded: {type(error).__name__}: {error}"
            raise PolicyError(f"{wrong}. Install a version of it that fits, or remove it.") from None


def load_own(root: Path, policy: Policy) -> None:
    """Run the file with the repository's own rules; each needs its two examples."""
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
