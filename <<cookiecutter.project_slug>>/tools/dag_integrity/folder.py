"""Which files of the DAG folder Airflow parses, and which modules of the folder a file imports."""

from __future__ import annotations

import importlib.util
import os
from functools import cache
from pathlib import Path
from typing import NamedTuple


class Folder(NamedTuple):
    """A DAG folder: files that Airflow parses, that it skips, that .airflowignore hides; zip archives."""

    dag_files: list[Path]
    skipped: list[Path]
    ignored: list[Path]
    archives: list[Path]


def list_folder(dags: Path) -> Folder:
    """The files of the folder as Airflow sees them: .airflowignore, then its search for two words."""
    found = sorted(map(Path, _find_paths(dags)))
    visible = [path for path in found if path.suffix == ".py"]
    dag_files = [path for path in visible if _might_contain_dag(path)]
    everything = (
        Path(folder, name)
        for folder, folders, names in os.walk(dags, followlinks=True)
        for name in names
        if name.endswith(".py") and "__pycache__" not in folder
    )
    return Folder(
        dag_files,
        skipped=sorted(set(visible) - set(dag_files)),
        ignored=sorted(set(everything) - set(visible)),
        archives=[path for path in found if path.suffix == ".zip"],
    )


def _find_paths(dags: Path):
    """Airflow's own lister, loaded by itself: importing all of Airflow for it takes seconds."""
    airflow = Path(importlib.util.find_spec("airflow").submodule_search_locations[0])
    path = airflow / "_shared" / "module_loading" / "file_discovery.py"
    spec = importlib.util.spec_from_file_location("_dag_file_discovery", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.find_path_from_directory(dags, ".airflowignore", "glob")


def _might_contain_dag(path: Path) -> bool:
    """Airflow's heuristic with `[core] dag_discovery_safe_mode` on, its default."""
    text = path.read_bytes().lower()
    return b"airflow" in text and (b"dag" in text or b"asset" in text)


@cache
def local_module(dags: Path, module: str) -> Path | None:
    """The file in the DAG folder that `import module` reads, if it is one of the folder's own."""
    path = dags.joinpath(*module.split("."))
    for candidate in (path / "__init__.py", path.with_suffix(".py")):
        if candidate.is_file():
            return candidate
    return None
