"""Where the project is that a command works on: found upward from the working directory, as git finds its own."""

import sys
from pathlib import Path

MARK = "[tool.airflow-etl]"


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
