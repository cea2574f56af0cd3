"""Airflow's own names, which are in other places from version to version: 2.9 to 3.4."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import importlib.util
import json
import os
from pathlib import Path
from typing import Any

IS_3 = importlib.util.find_spec("airflow.sdk") is not None


def first_of(*places: str) -> Any:
    """The first of these modules, or names in modules (`module:name`), that this Airflow has."""
    for place in places:
        module, _, name = place.partition(":")
        with contextlib.suppress(ImportError, AttributeError):
            loaded = importlib.import_module(module)
            return getattr(loaded, name) if name else loaded
    raise ImportError(f"this Airflow has none of {', '.join(places)}")


dagbag = first_of("airflow.dag_processing.dagbag", "airflow.models.dagbag")
DAG = first_of("airflow.sdk:DAG", "airflow.models.dag:DAG")
BaseOperator = first_of("airflow.sdk:BaseOperator", "airflow.models.baseoperator:BaseOperator")
SerializedDagModel = first_of("airflow.models.serialized_dag:SerializedDagModel")
# What turns a DAG into plain values and back
Serialization = first_of(
    "airflow.serialization.serialized_objects:DagSerialization",
    "airflow.serialization.serialized_objects:SerializedDAG",
)

# What rules ask about
Param = first_of("airflow.sdk.definitions.param:Param", "airflow.models.param:Param")
macros = first_of("airflow.sdk.execution_time.macros", "airflow.macros")
KNOWN_CONTEXT_KEYS = first_of(
    "airflow.sdk.definitions.context:KNOWN_CONTEXT_KEYS", "airflow.utils.context:KNOWN_CONTEXT_KEYS"
)

if IS_3:
    from airflow.models.connection import Connection as _ModelConnection
    from airflow.models.variable import Variable as _ModelVariable
    from airflow.sdk import BaseHook, Connection, Variable

    VARIABLES: tuple[Any, ...] = (Variable, _ModelVariable)
    CONNECTIONS: tuple[tuple[Any, str, Any], ...] = (
        (Connection, "get", Connection),
        (_ModelConnection, "get_connection_from_secrets", _ModelConnection),
        (BaseHook, "get_connection", Connection),
    )
else:
    from airflow.hooks.base import BaseHook
    from airflow.models.connection import Connection
    from airflow.models.variable import Variable

    VARIABLES = (Variable,)
    CONNECTIONS = ((Connection, "get_connection_from_secrets", Connection), (BaseHook, "get_connection", Connection))


def bag(dags: Path | str, **options: Any) -> Any:
    """A DagBag with nothing in it."""
    named = {"bundle_path": Path(dags), "bundle_name": "dags-folder"} if options.pop("bundle", False) else {}
    if IS_3:
        return dagbag.DagBag(os.devnull, collect_dags=False, **named)
    return dagbag.DagBag(os.devnull, collect_dags=False, include_examples=False)


def trust_executors() -> None:
    """Do not look for executors, of which the policy knows."""
    if hasattr(dagbag, "_validate_executor_fields"):
        dagbag._validate_executor_fields = lambda *_: None
    elif hasattr(DAG, "validate_executor_field"):
        DAG.validate_executor_field = lambda *_: None


def skip_schema() -> None:
    """Serialize without comparing with the schema, for which one of two parses is enough."""
    Serialization.validate_schema = classmethod(lambda *_: None)


def hash_of(serialized: dict[str, Any]) -> str:
    """What Airflow tells two versions of a DAG by."""
    if hasattr(SerializedDagModel, "hash"):
        return str(SerializedDagModel.hash(serialized))
    return hashlib.md5(json.dumps(serialized, sort_keys=True).encode(), usedforsecurity=False).hexdigest()


def in_words_of_2(text: str) -> str:
    """A DAG file for Airflow 3, written for Airflow 2."""
    if IS_3:
        return text
    for new, old in {
        "from airflow.sdk import Asset, Param, dag, task": (
            "from airflow.datasets import Dataset as Asset\nfrom airflow.decorators import dag, task\n"
            "from airflow.models.param import Param"
        ),
        "from airflow.sdk import DAG, Variable": "from airflow import DAG\nfrom airflow.models import Variable",
        "airflow.providers.standard.operators.bash": "airflow.operators.bash",
        'default=""': 'default_var=""',
    }.items():
        text = text.replace(new, old)
    return text
