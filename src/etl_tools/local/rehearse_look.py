"""Print as JSON what this Python's Airflow makes of a DAG folder: import errors, warnings, and each DAG's values.

Run by rehearse.py with the Python of each version; imports nothing but Airflow.
"""

import datetime
import json
import os
import re
import sys
import time
import warnings
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

PLAIN = (str, int, float, bool, type(None))
# Of the place and the process, not of the DAG
LEFT_OUT = {"fileloc", "relative_fileloc", "_processor_dags_folder", "last_loaded", "bundle_name", "bundle_version"}


def plain(value: object) -> tuple[object, bool]:
    """The value as JSON has it; None with False where it is of a class of its own."""
    if isinstance(value, datetime.timedelta):
        return value.total_seconds(), True
    if isinstance(value, (datetime.datetime, datetime.date)):
        return value.isoformat(), True
    if isinstance(value, PLAIN):
        return (str(value) if isinstance(value, str) else value), True
    return None, False


def values_of(one: object, names: Iterable[str]) -> dict[str, Any]:
    """The attributes with plain values, defaults included: what is serialized leaves those out."""
    found = {}
    for name in sorted(set(names) - LEFT_OUT):
        try:
            value, known = plain(getattr(one, name))
        except Exception:
            continue
        if known and not name.startswith("_"):
            found[name] = value
    return found


def moved(error: str) -> str:
    """Where this Airflow has the module or name that an import error misses; '' where that is not clear."""
    import airflow

    root = Path(airflow.__path__[0])
    files = [path for path in root.rglob("*.py") if not {"providers", "migrations", "tests"} & set(path.parts)]
    if match := re.search(r"No module named 'airflow\.([\w.]+)'", error):
        leaf = match[1].split(".")[-1]
        places = [path for path in files if leaf in (path.stem, path.parent.name if path.stem == "__init__" else "")]
    elif match := re.search(r"cannot import name '(\w+)' from 'airflow[\w.]*'", error):
        made = re.compile(rf"(?m)^(class|def) {match[1]}\b|^{match[1]}\b.*=")
        places = [path for path in files if made.search(path.read_text(encoding="utf-8", errors="replace"))]
    else:
        return ""
    names = [".".join(("airflow", *path.relative_to(root).with_suffix("").parts)) for path in places]
    names = sorted({name.removesuffix(".__init__") for name in names}, key=lambda name: ("sdk" not in name, len(name)))
    return f"It is in {' or '.join(names[:2])} now" if names else ""


def look(root: Path, dags: str) -> dict[str, Any]:
    """What Airflow makes of the project's DAG folder."""
    from airflow.dag_processing.dagbag import DagBag
    from airflow.sdk import DAG, BaseOperator
    from airflow.serialization.serialized_objects import DagSerialization

    folder, started = root / dags, time.monotonic()
    bag = DagBag(os.fspath(folder), bundle_path=folder, bundle_name="dags-folder")
    seconds = time.monotonic() - started
    found: dict[str, Any] = {"version": version("apache-airflow-core"), "seconds": seconds, "dags": {}}
    found["errors"] = {_name(file, root, dags): text for file, text in bag.import_errors.items()}
    captured = getattr(bag, "captured_warnings", {}).items()
    found["warnings"] = {_name(file, root, dags): list(texts) for file, texts in captured}
    of_dag, of_task = DAG.get_serialized_fields(), BaseOperator.get_serialized_fields()
    for dag_id, dag in sorted(bag.dags.items()):
        try:
            serialized = DagSerialization.to_dict(dag)["dag"]
        except Exception as error:
            found["errors"][_name(dag.fileloc, root, dags)] = f"{dag_id} cannot be serialized: {error}"
            continue
        tasks = {task.task_id: values_of(task, of_task) for task in dag.tasks}
        one = {"file": _name(dag.fileloc, root, dags), "values": values_of(dag, of_dag), "tasks": tasks}
        found["dags"][dag_id] = one | {"serialized": serialized}
    found["moved"] = {file: where for file, text in found["errors"].items() if (where := moved(text))}
    return found


def _name(file: str, root: Path, dags: str) -> str:
    """The file's name in the repository; Airflow names it in full, or from the DAG folder on."""
    path = root / dags / file
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    answer = json.dumps(look(Path(sys.argv[1]), sys.argv[2]), default=repr)
    Path(sys.argv[3]).write_text(answer, encoding="utf-8")
