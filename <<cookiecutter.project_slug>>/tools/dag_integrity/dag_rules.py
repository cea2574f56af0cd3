"""The rules that look at one parsed DAG."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Iterator
from functools import cache, cached_property
from typing import Any

import jinja2
import jinja2.meta
from airflow.sdk.definitions.context import KNOWN_CONTEXT_KEYS
from airflow.sdk.definitions.param import Param
from croniter import CroniterBadDateError, croniter

from .findings import Finding, some
from .policy import Policy
from .source import Outline

# Template variables that Airflow 2 had, and what stands for them in Airflow 3.
REMOVED_VARIABLES = {
    "execution_date": "logical_date",
    "conf": "an Airflow Variable, {{ var.value.name }}",
    "next_ds": "{{ data_interval_end | ds }}",
    "next_ds_nodash": "{{ data_interval_end | ds_nodash }}",
    "next_execution_date": "data_interval_end",
    "prev_ds": "{{ data_interval_start | ds }}",
    "prev_ds_nodash": "{{ data_interval_start | ds_nodash }}",
    "prev_execution_date": "data_interval_start",
    "prev_execution_date_success": "prev_data_interval_start_success",
    "tomorrow_ds": "{{ macros.ds_add(ds, 1) }}",
    "tomorrow_ds_nodash": "{{ macros.ds_add(ds, 1) | replace('-', '') }}",
    "yesterday_ds": "{{ macros.ds_add(ds, -1) }}",
    "yesterday_ds_nodash": "{{ macros.ds_add(ds, -1) | replace('-', '') }}",
    "triggering_dataset_events": "triggering_asset_events",
}
CHECKS: list[Callable[[Checked], Iterator[tuple]]] = []


class Checked:
    """One DAG with what its rules need: `stated` holds the arguments as the file gave them."""

    def __init__(self, dag, stated: dict[str, Any], outline: Outline, policy: Policy) -> None:
        self.dag = dag
        self.stated = stated
        self.outline = outline
        self.policy = policy

    @cached_property
    def by_asset(self) -> bool:
        """Whether @asset made the DAG, which takes no owner, start date, retries or time limit."""
        return self.stated.get("by_asset", False)

    @cached_property
    def line(self) -> int:
        return self.outline.dag_line(self.dag.dag_id)

    @cached_property
    def working_tasks(self) -> list:
        """The tasks that do something; those of an EmptyOperator need no worker, retry or time limit."""
        return [task for task in self.dag.tasks if not getattr(task, "inherits_from_empty_operator", False)]

    @cached_property
    def timetable(self):
        """The timetable that says when; of an asset-or-time schedule the time's."""
        return getattr(self.dag.timetable, "timetable", self.dag.timetable)

    @cached_property
    def runs_by_time(self) -> bool:
        return self.timetable.can_be_scheduled and self.timetable.asset_condition is None

    @cached_property
    def partitioned(self) -> bool:
        return is_partitioned(self.dag.timetable)

    def at(self, tasks: list) -> int:
        """The line of the first of these tasks."""
        return self.outline.task_line(tasks[0].task_id, self.dag.dag_id)


def is_partitioned(timetable) -> bool:
    """Whether runs of this timetable carry a partition key."""
    kinds = {kind.__name__ for kind in type(timetable).__mro__}
    return (
        bool(kinds & {"CronPartitionTimetable", "PartitionedAssetTimetable"})
        or timetable.partitioned_at_runtime
    )


def check_dag(checked: Checked, name: str) -> list[Finding]:
    """The findings of all rules in one DAG of the file `name`."""
    dag_id = checked.dag.dag_id
    return [Finding(name, *found, dag_id) for check in CHECKS for found in check(checked)]


def rule(check):
    """Register a check: it yields (line, rule, what is wrong, what to write)."""
    CHECKS.append(check)
    return check


@rule
def _dag_id(c: Checked) -> Iterator[tuple]:
    pattern = c.policy.dag_id_pattern.replace("{file}", re.escape(c.outline.path.stem))
    if not re.fullmatch(pattern, c.dag.dag_id):
        wrong = f"dag_id {c.dag.dag_id} does not fit the file {c.outline.path.name}"
        write = f'Write dag_id="{c.outline.path.stem}", or rename the file (the pattern is {pattern})'
        yield c.line, "dag-id", wrong, write


@rule
def _task_id(c: Checked) -> Iterator[tuple]:
    for task in c.dag.tasks:
        for part in task.task_id.split("."):
            if not re.fullmatch(c.policy.task_id_pattern, part):
                snake = re.sub(r"\W+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", part)).lower()
                wrong = f"Task id {task.task_id} does not fit the pattern {c.policy.task_id_pattern}"
                yield c.at([task]), "task-id", wrong, f'Write "{snake}"'
                break


@rule
def _owner(c: Checked) -> Iterator[tuple]:
    if c.by_asset:
        return
    strangers: dict[str, list] = {}
    for task in c.dag.tasks:
        if task.owner not in c.policy.owners:
            strangers.setdefault(task.owner, []).append(task)
    for owner, tasks in strangers.items():
        line = c.line if len(tasks) == len(c.dag.tasks) else c.at(tasks)
        whose = some(task.task_id for task in tasks)
        write = f'Write default_args={{"retries": {max(2, c.policy.min_retries)}}}'
        yield line, "owner", f"The owner of {whose} is {owner}", write


@rule
def _tags(c: Checked) -> Iterator[tuple]:
    if not c.dag.tags:
        yield (
            c.line,
            "tags",
            f"DAG {c.dag.dag_id} has no tags",
            f'Write tags=["{(c.policy.tags or ["etl"])[0]}"]',
        )
    elif c.policy.tags and (other := sorted(set(c.dag.tags) - set(c.policy.tags))):
        write = f"Use {some(c.policy.tags, 8)}, or add it to tags in pyproject.toml"
        yield c.line, "tags", f"Tag {', '.join(other)} is not among the allowed ones", write


@rule
def _retries(c: Checked) -> Iterator[tuple]:
    if c.by_asset:
        return
    if few := [task for task in c.working_tasks if (task.retries or 0) < c.policy.min_retries]:
        wrong = f"{some(task.task_id for task in few)}: fewer than {c.policy.min_retries} retries"
        write = f'Write default_args={{"retries": {max(2, c.policy.min_retries)}}}'
        yield (c.line if len(few) == len(c.working_tasks) else c.at(few)), "retries", wrong, write
    shortest = datetime.timedelta(seconds=c.policy.min_retry_delay)
    if hasty := [t for t in c.working_tasks if (t.retries or 0) and _delay(t.retry_delay) < shortest]:
        wrong = (
            f"{some(task.task_id for task in hasty)}: retried after less than {shortest.total_seconds():g} s"
        )
        yield c.at(hasty), "retries", wrong, "Write retry_delay=timedelta(minutes=5)"


def _delay(value) -> datetime.timedelta:
    return value if isinstance(value, datetime.timedelta) else datetime.timedelta(seconds=value)


@rule
def _timeout(c: Checked) -> Iterator[tuple]:
    if c.by_asset:
        return
    endless = [task for task in c.working_tasks if not task.execution_timeout]
    if endless and not c.dag.dagrun_timeout:
        wrong = f"{some(task.task_id for task in endless)} may run forever, with no timeout"
        line = c.line if len(endless) == len(c.working_tasks) else c.at(endless)
        yield line, "timeout", wrong, "Write dagrun_timeout=timedelta(hours=2)"


@rule
def _docs(c: Checked) -> Iterator[tuple]:
    if not c.dag.description:
        yield (
            c.line,
            "docs",
            f"DAG {c.dag.dag_id} has no description",
            'Write description="One line for the list of DAGs"',
        )
    if not c.dag.doc_md and not c.by_asset:
        write = "Write doc_md=__doc__ and a docstring at the top of the file"
        yield c.line, "docs", f"DAG {c.dag.dag_id} has no doc_md", write


@rule
def _start_date(c: Checked) -> Iterator[tuple]:
    if c.by_asset:
        return
    write = 'Write start_date=pendulum.datetime(2026, 1, 1, tz="UTC")'
    stated = c.stated.get("start_date") or (c.stated.get("default_args") or {}).get("start_date")
    if stated is None:
        if c.runs_by_time and not all(task.start_date for task in c.dag.tasks):
            yield c.line, "start-date", f"DAG {c.dag.dag_id} has a schedule and no start_date", write
    elif isinstance(stated, datetime.datetime) and stated.tzinfo is None:
        yield c.line, "start-date", "start_date has no timezone", write


@rule
def _catchup(c: Checked) -> Iterator[tuple]:
    if c.runs_by_time and "catchup" not in c.stated:
        wrong = "Whether missed runs are made up for is not said: catchup is missing"
        yield c.line, "catchup", wrong, "Write catchup=False, or True with a max_active_runs"


@rule
def _max_active_runs(c: Checked) -> Iterator[tuple]:
    if c.by_asset:
        return
    if "max_active_runs" not in c.stated and (c.partitioned or (c.dag.catchup and c.runs_by_time)):
        why = "has partitions" if c.partitioned else "catches up"
        wrong = f"DAG {c.dag.dag_id} {why}, and a backlog starts {c.dag.max_active_runs} runs at once"
        yield c.line, "max-active-runs", wrong, "Write max_active_runs=1, or what the source can bear"


@rule
def _schedule(c: Checked) -> Iterator[tuple]:
    for timetable in getattr(c.timetable, "timetables", [c.timetable]):
        expression = getattr(timetable, "expression", None)
        if expression and not _fires(expression):
            wrong = f"The schedule {expression} never fires: there is no such day"
            write = "Correct day and month of the cron expression (minute hour day month weekday)"
            yield c.line, "schedule", wrong, write


@cache
def _fires(expression: str) -> bool:
    """Whether there is a time that fits this cron expression."""
    try:
        croniter(expression, datetime.datetime.now(datetime.timezone.utc)).get_next()
    except CroniterBadDateError:
        return False
    return True


@rule
def _params(c: Checked) -> Iterator[tuple]:
    for name, param in c.dag.params.items():
        if not param.has_value and (param.value is not None or not _refuses_none(param)):
            continue
        try:
            Param(param.value, schema=param.schema).resolve()
        except Exception as error:
            reason = str(error).strip().split("\n")[0]
            write = f'Give "{name}" a default that fits, or allow None with type=["null", …]'
            yield (
                c.line,
                "params",
                f'The default of param "{name}" does not fit its own schema: {reason}',
                write,
            )


def _refuses_none(param: Param) -> bool:
    kinds = param.schema.get("type")
    return (
        param.value is None
        and kinds is not None
        and "null" not in ([kinds] if isinstance(kinds, str) else kinds)
    )


@rule
def _template(c: Checked) -> Iterator[tuple]:
    environment = None
    known = KNOWN_CONTEXT_KEYS | set(c.dag.user_defined_macros or {})
    for task in c.dag.tasks:
        for field in task.template_fields or ():
            value = _templated_value(task, field)
            if isinstance(value, str) and task.template_ext and value.endswith(tuple(task.template_ext)):
                wrong = f"{task.task_id}, {field}: there is no template file {value}"
                yield (
                    c.at([task]),
                    "template",
                    wrong,
                    "Correct its name; it is looked for beside the DAG file",
                )
            for text in _texts(value):
                environment = environment or c.dag.get_template_env()
                wrong, write = _template_problem(text, environment, known)
                if wrong:
                    yield c.at([task]), "template", f"{task.task_id}, {field}: {wrong}", write


def _templated_value(task, field: str):
    mapped = getattr(task, "partial_kwargs", None)
    return getattr(task, field, None) if mapped is None else mapped.get(field)


def _texts(value, depth: int = 0) -> Iterator[str]:
    """The Jinja texts in a templated field's value."""
    if isinstance(value, str):
        if "{{" in value or "{%" in value:
            yield value
    elif depth < 8 and isinstance(value, dict):
        for item in value.values():
            yield from _texts(item, depth + 1)
    elif depth < 8 and isinstance(value, (list, tuple, set)):
        for item in value:
            yield from _texts(item, depth + 1)


def _template_problem(text: str, environment: jinja2.Environment, known: set[str]) -> tuple[str, str]:
    """What is wrong with a template and what to write; two empty texts where it is sound."""
    short = text if len(text) < 60 else f"{text[:57]}…"
    try:
        unknown = (
            jinja2.meta.find_undeclared_variables(environment.parse(text)) - known - set(environment.globals)
        )
    except jinja2.TemplateError as error:
        return f"{short!r} is no valid Jinja: {error.message}", "Correct the template"
    if removed := sorted(unknown & set(REMOVED_VARIABLES)):
        return (
            f"{removed[0]} in {short!r} is not there in Airflow 3, so the task fails when it runs",
            f"Write {REMOVED_VARIABLES[removed[0]]}",
        )
    if unknown:
        return (
            f"{some(sorted(unknown))} in {short!r} is no name that Airflow provides: the task would fail",
            "Use a name of Airflow's template reference, params, or user_defined_macros",
        )
    return "", ""


@rule
def _pool_queue(c: Checked) -> Iterator[tuple]:
    for kind, declared in (("pool", c.policy.pools), ("queue", c.policy.queues)):
        for task in c.dag.tasks:
            value = getattr(task, kind, None)
            if value and value not in declared:
                write = f"Use {some(declared)}, or make it in Airflow and add it to {kind}s in pyproject.toml"
                yield (
                    c.at([task]),
                    "pool-queue",
                    f"{kind.capitalize()} {value} of {task.task_id} is not declared",
                    write,
                )
