"""What the rules look at: a file that was parsed once, one DAG of it, and of all DAGs the plain facts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from .model import Finding
from .source import Source
from .syntax import Node, walk

# Modules of Airflow itself, not of its providers
OF_AIRFLOW = ("airflow.sdk.", "airflow.models.", "airflow.template.")


@dataclass
class Facts:
    """What parsing a file once gave; it travels from a worker to the main process."""

    source: Source | None = None
    findings: list[Finding] = field(default_factory=list)
    # The facts of each DAG and the DAG itself, serialized or as a digest of that
    dags: list[dict[str, Any]] = field(default_factory=list)
    serialized: dict[str, Any] = field(default_factory=dict)
    heavy: list[tuple[str, int]] = field(default_factory=list)
    seconds: float = 0
    timed_out: bool = False
    # Whether Airflow would show an import error
    import_failed: bool = False
    # The process holds modules now that other files must not profit from
    tainted: bool = False


class Dag:
    """One DAG with what its rules need: `stated` holds the arguments as the file gave them."""

    def __init__(
        self, dag: Any, stated: dict[str, Any], source: Source, siblings: int = 1, airflow: Any = None
    ) -> None:
        self.dag, self.stated, self.source, self.policy = dag, stated, source, source.policy
        # `airflow` has what rules ask of Airflow: Param, macros, KNOWN_CONTEXT_KEYS
        self.siblings, self.airflow = siblings, airflow
        # Whether @asset made the DAG, which takes no owner, start date, retries or time limit
        self.by_asset = stated.get("by_asset", False)

    def line(self, at: Any = None) -> int:
        """The line of this task or, without one, of the DAG."""
        if isinstance(at, int):
            return at
        dag_id = self.dag.dag_id
        task_id = getattr(at, "task_id", "")
        return self.source.task_line(task_id, dag_id) if at else self.source.dag_line(dag_id)

    @cached_property
    def templated(self) -> list[tuple[Any, ...]]:
        """Task, field and value of every templated field."""
        fields = [(task, field) for task in self.dag.tasks for field in task.template_fields or ()]
        return [(task, field, argument_of(task, field)) for task, field in fields]

    @cached_property
    def environment(self) -> Any:
        """What the DAG's templates are rendered in, but for those of operators that bring their own."""
        return self.dag.get_template_env()

    @cached_property
    def working_tasks(self) -> list[Any]:
        """The tasks that do something; those of an EmptyOperator need no worker, retry or time limit."""
        return [task for task in self.dag.tasks if not getattr(task, "inherits_from_empty_operator", False)]

    def first(self, tasks: list[Any]) -> Any:
        """The first of these tasks; nothing, which stands for the DAG, if they are all of its tasks."""
        return None if len(tasks) in (len(self.working_tasks), len(self.dag.tasks)) else tasks[0]

    @cached_property
    def timetable(self) -> Any:
        """The timetable that says when; of an asset-or-time schedule the time's."""
        return getattr(self.dag.timetable, "timetable", self.dag.timetable)

    @cached_property
    def runs_by_time(self) -> bool:
        return bool(self.timetable.can_be_scheduled and condition_of(self.timetable) is None)

    @cached_property
    def partitioned(self) -> bool:
        """Whether its runs carry a partition key."""
        kinds = {kind.__name__ for kind in type(self.dag.timetable).__mro__}
        named = kinds & {"CronPartitionTimetable", "PartitionedAssetTimetable"}
        return bool(named) or getattr(self.dag.timetable, "partitioned_at_runtime", False)


def condition_of(timetable: Any) -> Any:
    """The assets that start the DAG, which Airflow 2 calls datasets."""
    if hasattr(timetable, "asset_condition"):
        return timetable.asset_condition
    return getattr(timetable, "dataset_condition", None) or None  # Airflow 2 has one that is false


def expression_of(timetable: Any) -> Any:
    """The cron expression of a timetable, which Airflow 2 keeps to itself."""
    return getattr(timetable, "expression", None) or getattr(timetable, "_expression", None)


def cron_of(c: Dag) -> tuple[Any, ...] | None:
    """Time zone and cron expression of a DAG that runs by one."""
    expression = expression_of(c.timetable)
    zone = getattr(c.timetable, "timezone", None) or getattr(c.timetable, "_timezone", None)
    return (zone, expression) if isinstance(expression, str) and zone is not None else None


def argument_of(task: Any, name: str) -> Any:
    """An attribute of a task, also of one that is mapped."""
    mapped = getattr(task, "partial_kwargs", None)
    return getattr(task, name, None) if mapped is None else mapped.get(name)


def adds_names(task: Any) -> bool:
    """Whether the operator renders its fields itself, perhaps with names of its own."""
    kinds = getattr(task, "operator_class", type(task)).__mro__
    renders = [kind for kind in kinds if "render_template_fields" in vars(kind)]
    return not renders[0].__module__.startswith(OF_AIRFLOW)


def arguments_of(task: Any) -> dict[str, Any]:
    """The arguments that a task was made with, also one that is mapped."""
    mapped = getattr(task, "partial_kwargs", None)
    return mapped if mapped is not None else getattr(task, "_BaseOperator__init_kwargs", {})


def function_of(c: Dag, task: Any) -> Node | None:
    """The syntax tree of the function that a task runs, where it is in the DAG's file."""
    code = getattr(callable_of(task), "__code__", None)
    if code is None or code.co_filename != str(c.source.path):
        return None
    return c.source.functions.get(code.co_firstlineno)


def code_of(c: Dag, task: Any) -> list[Node]:
    """All nodes of that function; none where it is elsewhere."""
    function = function_of(c, task)
    return list(walk(function)) if function is not None else []


def listed(value: Any) -> list[Any]:
    """An argument that may be a list or a single value."""
    return list(value) if isinstance(value, (list, tuple, set)) else [] if value is None else [value]


def mapped_values(task: Any) -> list[Any]:
    """What a task is mapped over: a dict of arguments, or a list of such."""
    return [getattr(getattr(task, f"{name}expand_input", None), "value", None) for name in ("", "op_kwargs_")]


def callable_of(task: Any) -> Any:
    return arguments_of(task).get("python_callable") or getattr(task, "python_callable", None)


def templates_of(c: Dag) -> Iterator[tuple[Any, ...]]:
    """Task, field and text of each text with a template."""
    for task, name, value in c.templated:
        pending = [value]
        while pending:
            one = pending.pop()
            if isinstance(one, str) and "{" in one:
                yield task, name, one
            elif isinstance(one, (list, tuple, dict)):
                pending += one.values() if isinstance(one, dict) else one


def facts_of(c: Dag) -> dict[str, Any]:
    """Of a parsed DAG (a `Dag`) what the rules here and the table need, as plain values."""
    dag, condition = c.dag, condition_of(c.dag.timetable)
    consumed = list(_assets(condition)) if condition is not None else []
    made = [asset for task in dag.tasks for outlet in task.outlets or () for asset in _assets(outlet)]
    inlets = [asset for task in dag.tasks for inlet in task.inlets or () for asset in _assets(inlet)]
    named = []
    of_sensor = ("external_task_id", "external_task_ids")
    for task in dag.tasks:
        kinds = {kind.__name__ for kind in getattr(task, "operator_class", type(task)).__mro__}
        for kind, name, tasks in (
            ("TriggerDagRunOperator", "trigger_dag_id", ()),
            ("ExternalTaskMarker", "external_dag_id", of_sensor),
            ("ExternalTaskSensor", "external_dag_id", of_sensor),
        ):
            value = argument_of(task, name) if kind in kinds else None
            if isinstance(value, str) and value and "{" not in value:
                ids = [argument_of(task, key) for key in tasks]
                flat = [i for one in ids for i in (one if isinstance(one, (list, tuple, set)) else [one])]
                ids = [i for i in flat if isinstance(i, str) and "{" not in i]
                named.append((c.line(task), task.task_id, value, ids))
    cron = cron_of(c)
    return {
        "cron": (str(cron[0]), cron[1]) if cron else None,
        "sensors": list(_sensors(c)),
        "triggers": [argument_of(task, "trigger_dag_id") for task in dag.tasks],
        "dag_id": dag.dag_id,
        "line": c.line(),
        "tasks": len(dag.tasks),
        "task_ids": sorted({*dag.task_dict, *(g for g in dag.task_group.get_task_group_dict() if g)}),
        "schedule": _schedule(c, consumed),
        "consumes": consumed,
        "produces": made,
        "inlets": inlets,
        "by_asset": c.by_asset,
        "names_dags": named,
        "partitioned": c.partitioned,
        # Tasks can publish partitions of a run that has none itself
        "adds_partitions": "add_partitions" in c.source.text,
        "plain": condition is not None and not c.partitioned,
    }


def _sensors(c: Any) -> Iterator[tuple[Any, ...]]:
    """The sensors that wait for another DAG's run of a date, with the seconds between the two dates."""
    for task in c.dag.tasks:
        kinds = {kind.__name__ for kind in getattr(task, "operator_class", type(task)).__mro__}
        delta, dag_id = argument_of(task, "execution_delta"), argument_of(task, "external_dag_id")
        by_function = argument_of(task, "execution_date_fn")
        if "ExternalTaskSensor" in kinds and isinstance(dag_id, str) and not by_function:
            yield c.line(task), task.task_id, dag_id, delta.total_seconds() if delta else 0


def _assets(asset: Any) -> Iterator[dict[str, Any]]:
    """The assets, aliases and references in an asset or a condition of assets."""
    kind = type(asset).__name__
    if hasattr(asset, "objects"):
        for part in asset.objects:
            yield from _assets(part)
    elif kind in ("AssetAlias", "AssetNameRef", "AssetUriRef", "DatasetAlias") or hasattr(asset, "uri"):
        yield {
            "name": getattr(asset, "name", None),
            "uri": getattr(asset, "uri", None),
            "alias": kind in ("AssetAlias", "DatasetAlias"),
            "watched": bool(getattr(asset, "watchers", None)),
        }


def _schedule(c: Any, consumed: list[dict[str, Any]]) -> str:
    """The schedule as a person would write it."""
    timetables = getattr(c.timetable, "timetables", [c.timetable])
    words = [t.expression for t in timetables if getattr(t, "expression", None)]
    words += [str(c.timetable.delta)] if getattr(c.timetable, "delta", None) else []
    words += [f"asset {asset['name'] or asset['uri']}" for asset in consumed]
    kind = type(c.dag.timetable).__name__.removesuffix("Timetable")
    said = ", ".join(words) or ("-" if kind == "Null" else kind)
    return f"{said} (partitions)" if c.partitioned else said
