"""Where the project is that a command works on: found upward from the working directory, as git finds its own."""

import os
import re
import sys
from pathlib import Path

MARK = "[tool.airflow-etl]"


def environment_name() -> str:
    """Return what ENV names; "" where it is not set, or names a start-up file, which is what ENV means to sh."""
    name = os.environ.get("ENV", "")
    return "" if "/" in name else name


def advice(text: object) -> str:
    """Return the text, and behind it for which environment a make command in it is meant."""
    name = environment_name()
    unsaid = name and re.search(r"\bmake [a-z]", str(text)) and "ENV=" not in str(text)
    return f"{text}\nPut ENV={name} before that, too." if unsaid else str(text)


def search(start: Path) -> Path | None:
    """Return the closest folder, upward, whose pyproject.toml has [tool.airflow-etl], if one has."""
    for folder in (start, *start.parents):
        file = folder / "pyproject.toml"
        if file.is_file() and MARK in file.read_text(encoding="utf-8", errors="replace").splitlines():
            return folder
    return None


def find() -> Path:
    """Return the project's root; exits with 2 where the working directory is in none."""
    start = Path.cwd()
    if root := search(start):
        return root
    print(f"{start} is in no project of airflow-etl-template: no pyproject.toml has {MARK}", file=sys.stderr)
    raise SystemExit(2)
