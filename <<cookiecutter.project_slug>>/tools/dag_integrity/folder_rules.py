"""The rules about files and DAGs together: two DAGs with one id, files that Airflow does not see."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from .findings import Finding
from .folder import Folder


def check_dag_ids(dags: list[dict]) -> Iterator[Finding]:
    """The rule duplicate-dag-id over the DAGs of all files."""
    first: dict[str, dict] = {}
    for dag in dags:
        other = first.setdefault(dag["dag_id"], dag)
        if other["file"] != dag["file"]:
            wrong = f"dag_id {dag['dag_id']} is also that of {other['file']}:{other['line']}"
            write = "Give each DAG its own dag_id"
            yield Finding(dag["file"], dag["line"], "duplicate-dag-id", wrong, write, dag["dag_id"])


def check_hidden(folder: Folder, root: Path, entries: dict[Path, dict]) -> Iterator[Finding]:
    """The rules no-dag and hidden-dag for the files that Airflow does not parse, or these checks cannot."""
    for path in folder.archives:
        wrong = "Airflow looks for DAGs in this archive, and these checks cannot"
        write = "Put the archive's files into the folder, or list it in .airflowignore"
        yield Finding(path.relative_to(root).as_posix(), 1, "hidden-dag", wrong, write)
    for path in folder.skipped:
        name = path.relative_to(root).as_posix()
        if entries[path]["makes_dags"]:
            wrong = "Airflow skips this file: nowhere in it stand the words airflow and dag"
            yield Finding(name, 1, "hidden-dag", wrong, "Write from airflow.sdk import DAG")
        elif path.name != "__init__.py":
            wrong = "This file is no DAG file, and Airflow looks into it again and again"
            write = "Add it to .airflowignore; if it makes DAGs, write airflow and dag in a comment"
            yield Finding(name, 1, "no-dag", wrong, write)
    for path in folder.ignored:
        if entries[path]["makes_dags"]:
            name = path.relative_to(root).as_posix()
            wrong = "The file makes a DAG, and .airflowignore hides it from Airflow"
            yield Finding(
                name, 1, "hidden-dag", wrong, "Narrow the pattern in .airflowignore, or move the file"
            )
