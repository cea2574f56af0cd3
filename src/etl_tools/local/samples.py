"""The sample of a dataset, tests/orders_sample/2018-02-01.jsonl: in `make run` it stands in for the source.

The code of the dataset knows nothing of it. It is taken where neither a day is asked for nor a source, by
ORDERS_SOURCE: the DAG then offers its days.
"""

import importlib
import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from etl_tools.answers import ROOT, SLUG
from etl_tools.local.periods import PARAM


def folder(name: str) -> Path:
    """Where the sample of a dataset is, relative to the repository."""
    return Path("tests", f"{name}_sample")


def stand_in(dags: dict[str, Any]) -> list[str]:
    """Let samples stand in for the sources of the DAGs that have one; their ids."""
    found = []
    for dag_id, dag in dags.items():
        files = {path.stem: path for path in sorted((ROOT / folder(dag_id)).glob("*.*"))}
        if not files or PARAM not in dag.params or f"{dag_id.upper()}_SOURCE" in os.environ:
            continue
        module = importlib.import_module(f"{SLUG.replace('-', '_')}.{dag_id}")
        if dataset := getattr(module, "DATASET", None):
            # A dataset is frozen; this one lives as long as this process.
            vars(dataset)["fetch"] = _reading(dataset, files)
            dag.params.get_param(PARAM).schema["examples"] = list(files)
            found.append(dag_id)
    return found


def _reading(dataset: Any, files: dict[str, Path]) -> Callable[..., list[bytes]]:
    def now() -> list[bytes]:
        return [next(iter(files.values())).read_bytes()]

    def between(start: datetime, end: datetime) -> list[bytes]:
        return [files[dataset.periods.key(start)].read_bytes()]

    return now if dataset.kind == "snapshot" else between
