"""Says in what two parses of the same DAG differ."""

from __future__ import annotations

from airflow.models.serialized_dag import SerializedDagModel


def difference(dag_id: str, first: dict | None, second: dict | None) -> str:
    """Where the two serialized DAGs first differ; '' where Airflow would not make a new version of them."""
    if first is None or second is None:
        return f"DAG {dag_id} is there in only one of two parses"
    if SerializedDagModel.hash(first) == SerializedDagModel.hash(second):
        return ""
    where, one, other = _first_difference(first["dag"], second["dag"], "")
    differ = f"{where} is {_short(one)}, then {_short(other)}"
    return f"Two parses differ, so that every parse makes a new DAG version: {differ}"


def _first_difference(one, other, where: str):
    if isinstance(one, dict) and isinstance(other, dict):
        # Tasks before the groups and dependencies that follow from them
        for key in sorted({*one, *other}, key=lambda key: (key != "tasks", str(key))):
            step = where if key in ("__var", "__type") else f"{where}.{key}".lstrip(".")
            if one.get(key) != other.get(key):
                return _first_difference(one.get(key), other.get(key), step)
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for index, (a, b) in enumerate(zip(one, other, strict=True)):
            if a != b:
                name = _task_id(a)
                step = f"task {name}" if name and name == _task_id(b) else f"{where}[{index}]"
                return _first_difference(a, b, step)
    return where, one, other


def _task_id(value) -> str:
    inner = value.get("__var", value) if isinstance(value, dict) else {}
    return inner.get("task_id", "") if isinstance(inner, dict) else ""


def _short(value) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
