"""Puts an import error into one line with what to do about it."""

from __future__ import annotations

import re
from pathlib import Path

from .findings import Finding
from .policy import Policy
from .source import Outline

# Exception, rule, what to write instead
KNOWN = [
    ("AirflowDagCycleException", "cycle", "Take one of the arrows (>>) between these tasks out"),
    ("DuplicateTaskIdFound", "import-error", "Give each task of the DAG its own task_id"),
    (
        "AirflowTimetableInvalid",
        "schedule",
        "Write a cron expression of five fields, as 0 4 * * *, or a preset, as @daily",
    ),
    (
        "CroniterBad",
        "schedule",
        "Write a cron expression of five fields, as 0 4 * * *, or a preset, as @daily",
    ),
    (
        "required params without default values",
        "params",
        "Give every param a default that fits its own schema",
    ),
    ("ParamValidationError", "params", "Give every param a default that fits its own schema"),
    (
        "FileNotFoundError",
        "import-error",
        "Write Path(__file__).parent / …: a pod's working directory is another",
    ),
    ("SystemExit", "process-death", "Raise an exception inside a task; a DAG file must not end the process"),
]
OTHERWISE = "Correct it: Airflow shows none of the file's DAGs until then"


def explain(text: str, name: str, root: Path, dags: Path, outline: Outline, policy: Policy) -> Finding:
    """The finding for Airflow's import error `text`, a traceback or one line, of the file `name`."""
    line = _line(text, outline)
    message = _message(text)
    if "AirflowTaskTimeout" in text:
        wrong = f"Importing the file takes longer than {policy.time_limit:g} s"
        return Finding(name, line, "time-limit", wrong, "Move the work into a task")
    if match := re.search(r"No module named '([\w.]+)'", message):
        return Finding(name, line, "import-error", message, _missing_module(match[1], root, dags))
    for exception, rule, write in KNOWN:
        if exception in text:
            return Finding(name, line, rule, message, write)
    return Finding(name, line, "import-error", message, OTHERWISE)


def _line(text: str, outline: Outline) -> int:
    """The last line of this very file in the traceback."""
    lines = re.findall(rf'File "{re.escape(str(outline.path))}", line (\d+)', text)
    if lines:
        return int(lines[-1])
    return outline.dag_line("")


def _message(text: str) -> str:
    """The exception's name and first line."""
    lines = [line for line in text.strip().splitlines() if line and not line.startswith(" ")]
    return re.sub(r"^(?:[a-z_]\w*\.)+(?=[A-Z])", "", lines[-1] if lines else text.strip().splitlines()[-1])


def _missing_module(module: str, root: Path, dags: Path) -> str:
    top = module.split(".")[0]
    folder = dags.relative_to(root).as_posix()
    if (dags / top).exists() or (dags / f"{top}.py").exists():
        return f"Correct the name: {folder}/{top} has no such module"
    if (root / top).exists() or (root / f"{top}.py").exists():
        return f"Move {top} into {folder}: a pod has nothing else of this repository on its path"
    return f"Correct the name, or add {top} to dependencies in pyproject.toml and to the image"
