"""The rules about one parsed DAG: a rule's function gets a `Dag`."""

from __future__ import annotations

import ast
import datetime
import inspect
import re
import sys
from typing import Any

from ..config import deployed_executors
from ..cures import cure_of
from ..facts import Dag, argument_of, expression_of, listed
from ..model import Found, problem, rule, some
from ..syntax import FUNCTIONS, first_line

CALLBACKS: tuple[str, ...] = ("on_success_callback", "on_failure_callback", "on_retry_callback", "on_execute_callback")
CALLBACKS += ("on_skipped_callback",)


@rule("dag-id", "dag", "Give DAG and file the same name, or change dag-id-pattern in pyproject.toml", house=True)
def _dag_id(c: Dag) -> Found:
    """The dag_id fits the file's name."""
    stem = c.source.path.stem
    pattern = c.policy.dag_id_pattern.replace("{file}", re.escape(stem))
    if c.siblings == 1 and not c.by_asset and not re.fullmatch(pattern, c.dag.dag_id):
        wrong = f"dag_id {c.dag.dag_id} does not fit the file {c.source.path.name}"
        cure = f'Write dag_id="{stem}"' if re.fullmatch(pattern, stem) else ""
        if not re.fullmatch(r"[\w.-]+", stem):  # no dag_id for Airflow
            cure = f"Rename the file to {c.dag.dag_id}.py"
        yield problem(wrong, cure=cure)


@rule("task-id", "dag", "Write it in snake_case", house=True)
def _task_id(c: Dag) -> Found:
    """Task ids are in snake_case."""
    for task in c.dag.tasks:
        parts = task.task_id.split(".")
        bad = [part for part in parts if not re.fullmatch(c.policy.task_id_pattern, part)]
        if bad and not c.by_asset:
            snake = re.sub(r"\W+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", bad[0])).lower()
            wrong = f"Task id {task.task_id} does not fit the pattern {c.policy.task_id_pattern}"
            yield problem(wrong, task, f'Write "{snake}"')


@rule("owner", "dag", "Write default_args={…} with an owner", house=True)
def _owner(c: Dag) -> Found:
    """Every task has an owner from the list."""
    strangers: dict[str, list[Any]] = {}
    for task in c.dag.tasks:
        if c.policy.owners and task.owner not in c.policy.owners and not c.by_asset:
            strangers.setdefault(task.owner, []).append(task)
    for owner, tasks in strangers.items():
        wrong = f"The owner of {some(task.task_id for task in tasks)} is {owner}"
        write = f'Write default_args={{"owner": "{c.policy.owners[0]}"}}, or add {owner} to the owners'
        yield problem(wrong, c.first(tasks), write)


@rule("tags", "dag", 'Write tags=["…"]', house=True)
def _tags(c: Dag) -> Found:
    """The DAG has tags, all of them from the allowed ones."""
    if not c.dag.tags:
        yield problem(f"DAG {c.dag.dag_id} has no tags", cure=f'Write tags=["{(c.policy.tags or ["etl"])[0]}"]')
    elif c.policy.tags and (other := sorted(set(c.dag.tags) - set(c.policy.tags))):
        write = f"Use {some(c.policy.tags, 8)}, or add it to tags in pyproject.toml"
        yield problem(f"Tag {', '.join(other)} is not among the allowed ones", cure=write)


@rule("retries", "dag", "Write retry_delay=timedelta(minutes=5)", house=True)
def _retries(c: Dag) -> Found:
    """Every task is retried, with a delay."""
    least, shortest = c.policy.min_retries, datetime.timedelta(seconds=c.policy.min_retry_delay)
    tasks = [] if c.by_asset else c.working_tasks
    if few := [task for task in tasks if (task.retries or 0) < least]:
        names = some(task.task_id for task in few)
        own, least_said = len(few) < len(tasks), "1 retry" if least == 1 else f"{least} retries"
        write = "Write retries={}" if own else 'Write default_args={{"retries": {}}}'
        yield problem(f"{names}: fewer than {least_said}", c.first(few), write.format(max(2, least)))
    if hasty := [task for task in tasks if (task.retries or 0) and _delay(task) < shortest]:
        names = some(task.task_id for task in hasty)
        yield problem(f"{names}: retried after less than {shortest.total_seconds():g} s", hasty[0])


def _delay(task: Any) -> datetime.timedelta:
    delay = task.retry_delay
    return delay if isinstance(delay, datetime.timedelta) else datetime.timedelta(seconds=delay)


@rule("timeout", "dag", "Write dagrun_timeout=timedelta(hours=2) on the DAG", house=True)
def _timeout(c: Dag) -> Found:
    """The DAG has a dagrun_timeout or each task an execution_timeout."""
    endless = [] if c.by_asset else [task for task in c.working_tasks if not task.execution_timeout]
    if endless and not c.dag.dagrun_timeout:
        yield problem(f"{some(task.task_id for task in endless)} may run forever", c.first(endless))


@rule("docs", "dag", "Write doc_md=__doc__ and a docstring at the top of the file", house=True)
def _docs(c: Dag) -> Found:
    """The DAG has a description and a doc_md."""
    if not c.dag.description:
        write = 'Write description="One line for the list of DAGs"'
        yield problem(f"DAG {c.dag.dag_id} has no description", cure=write)
    if not c.dag.doc_md and not c.by_asset:
        yield f"DAG {c.dag.dag_id} has no doc_md"


@rule("start-date", "dag", 'Write start_date=pendulum.datetime(2026, 1, 1, tz="UTC")', house=True)
def _start_date(c: Dag) -> Found:
    """A scheduled DAG has a fixed start_date with a timezone."""
    stated = c.stated.get("start_date") or (c.stated.get("default_args") or {}).get("start_date")
    if c.by_asset:
        return
    if stated is None:
        if c.runs_by_time and not all(task.start_date for task in c.dag.tasks):
            yield f"DAG {c.dag.dag_id} has a schedule and no start_date"
    elif isinstance(stated, datetime.datetime) and stated.tzinfo is None and not stated.microsecond:  # no clock's
        yield "start_date has no timezone"
    elif isinstance(stated, datetime.datetime) and stated.tzname() == "LMT":
        yield f"start_date is in local mean time, {stated:%z} from UTC, as pytz has it without localize()"


@rule("end-date", "dag", "Take end_date out, or write one after start_date")
def _end_date(c: Dag) -> Found:
    """The DAG, and each of its tasks, ends after it starts."""

    def span(one: Any) -> tuple[Any, Any]:
        return argument_of(one, "start_date") or c.dag.start_date, argument_of(one, "end_date")

    late = [one for one in (c.dag, *c.dag.tasks) if all(span(one)) and span(one)[1] < span(one)[0]]
    for start, end in [span(one) for one in late[:1]]:
        wrong = f"end_date {end:%Y-%m-%d} is before start_date {start:%Y-%m-%d}"
        yield problem(wrong, None if late[0] is c.dag else c.first(late))


@rule("catchup", "dag", "Write catchup=False, or True with a max_active_runs", house=True)
def _catchup(c: Dag) -> Found:
    """A DAG on a time schedule says whether it catches up."""
    if c.runs_by_time and "catchup" not in c.stated and not c.by_asset:
        yield "Whether missed runs are made up for is not said: catchup is missing"


@rule("max-active-runs", "dag", "Write max_active_runs=1, or what the source can bear", house=True)
def _max_active_runs(c: Dag) -> Found:
    """A DAG with partitions or catch-up limits its active runs."""
    if "max_active_runs" in c.stated or c.by_asset:
        return
    if c.partitioned or (c.dag.catchup and c.runs_by_time):
        why = "has partitions" if c.partitioned else "catches up"
        yield f"DAG {c.dag.dag_id} {why}, and a backlog starts {c.dag.max_active_runs} runs at once"


@rule(
    "schedule", "dag",
    "Write a cron expression (minute hour day month weekday), as 0 4 * * *, or a preset, as @daily",
)  # fmt: skip
def _schedule(c: Dag) -> Found:
    """The schedule fires some day."""
    from croniter import CroniterBadDateError, croniter

    for timetable in getattr(c.timetable, "timetables", [c.timetable]):
        expression = expression_of(timetable)
        if expression and len(expression.split()) > 5:
            wrong = f"The schedule {expression} has more than five fields, and seconds are the last"
            yield problem(wrong, cure="Write five fields: minute hour day month weekday, as 0 4 * * *")
        try:
            if expression:
                croniter(expression, datetime.datetime.now(datetime.UTC)).get_next()
        except CroniterBadDateError:
            yield f"The schedule {expression} never fires: there is no such day"


@rule("empty-dag", "dag", "Put tasks in it, or take it out", severity="warning")
def _empty(c: Dag) -> Found:
    """The DAG has tasks."""
    if not c.dag.tasks:
        yield f"DAG {c.dag.dag_id} has no task"


@rule("params", "dag", "Give every param a default that fits its own schema")
def _params(c: Dag) -> Found:
    """The default of every param fits the param's own schema."""
    for name, param in c.dag.params.items():
        kinds = param.schema.get("type")
        refuses_none = kinds is not None and "null" not in ([kinds] if isinstance(kinds, str) else kinds)
        if not param.has_value and (param.value is not None or not refuses_none):
            continue
        try:
            c.airflow.Param(param.value, schema=param.schema).resolve()
        except Exception as error:
            reason = str(error).strip().split("\n")[0]
            write = f'Give "{name}" a default that fits, or allow None with type=["null", …]'
            write = cure_of(reason) or write
            yield problem(f'The default of param "{name}" does not fit its own schema: {reason}', cure=write)


@rule("callback", "dag", "Write def callback(context): …")
def _callback(c: Dag) -> Found:
    """Callbacks take one argument, the context."""
    said = set()
    for owner in (c.dag, *c.dag.tasks):
        for name in CALLBACKS:
            if None in listed(argument_of(owner, name)):
                yield problem(f"{name} has None in its list", None if owner is c.dag else owner, "Take it out")
            texts = [one for one in listed(argument_of(owner, name)) if isinstance(one, str)]
            if texts and (name, str(texts)) not in said:
                said.add((name, str(texts)))
                wrong = f"{name} is the text {''.join(texts)!r}, which nobody can call"
                yield problem(wrong, None if owner is c.dag else owner, "Give the function itself")
        for name, callback in [(kind, it) for kind in CALLBACKS for it in listed(argument_of(owner, kind))]:
            try:
                signature = inspect.signature(callback)
            except (TypeError, ValueError):
                continue
            called = getattr(callback, "__name__", str(callback))
            if type(callback).__name__ == "_TaskDecorator":
                wrong = f"{name} is a task, {callback.function.__name__}, which does not run by being called"
                yield problem(wrong, None if owner is c.dag else owner, "Take @task off it: a callback is a function")
                continue
            if isinstance(callback, type) and hasattr(callback, "notify"):
                wrong = f"{name} is the class {called}, of which an instance is made, and nothing sent"
                yield problem(wrong, None if owner is c.dag else owner, f"Write {called}(…)")
            try:
                signature.bind({})
            except TypeError as error:
                if (name, called) not in said:
                    said.add((name, called))
                    wrong = f"{name} calls {called}(context), which fails: {error}"
                    yield problem(wrong, None if owner is c.dag else owner)


@rule("deadline-callback", "dag", "Put it into plugins/ or into a package in the image", since="3")
def _deadline_callback(c: Dag) -> Found:
    """The triggerer can import the callback of a deadline, which it cannot from the DAG folder."""
    for deadline in getattr(c.dag, "deadline", None) or ():
        callback = getattr(deadline, "callback", None)
        module, _, name = str(getattr(callback, "path", "")).rpartition(".")
        place = str(getattr(sys.modules.get(module), "__file__", ""))
        if type(callback).__name__ == "AsyncCallback" and place.startswith(f"{c.source.dags}/"):
            yield problem(f"The triggerer cannot import {name} from the DAG folder")


@rule("pool-queue", "dag", "Make it in Airflow and declare it in pyproject.toml", house=True)
def _pool_queue(c: Dag) -> Found:
    """Pools and queues are declared in the policy."""
    kinds = {"pool": c.policy.pools, "queue": c.policy.queues}
    for kind, declared in kinds.items():
        for task in c.dag.tasks:
            value = getattr(task, kind, None)
            if value and declared and value not in declared and "{{" not in value:
                wrong = f"{kind.capitalize()} {value} of {task.task_id} is not declared"
                yield problem(wrong, task, f"Use {some(declared)}, or add it to {kind}s in pyproject.toml")


@rule("executor", "dag", "Use one that is there, or deploy it")
def _executor(c: Dag) -> Found:
    """The executors that tasks name are there, by the policy or helm/values.yaml."""
    known = {*c.policy.executors} or {*deployed_executors(c.source.root)}
    for task in c.dag.tasks if known else ():
        if (value := getattr(task, "executor", None)) and not {value, value.rpartition(".")[2]} & known:
            where = "executors in pyproject.toml" if c.policy.executors else "executor in helm/values.yaml"
            write = f"Use {some(sorted(known))}, or add it to {where}"
            wrong = f"Airflow refuses the DAG: executor {value} of {task.task_id} is not there"
            yield problem(wrong, task, write)


@rule("branch", "dag", 'Write trigger_rule="none_failed_min_one_success" on it')
def _branch(c: Dag) -> Found:
    """A branch goes to tasks that follow it; what joins its ways runs whichever was taken."""
    for task in c.dag.tasks:
        (targets, several), ways = _branch_targets(c, task), task.downstream_task_ids
        groups = {way[:dot] for way in ways for dot in range(len(way)) if way[dot] == "."}
        for target in sorted(targets - ways - groups):
            write = f"Use one of {some(sorted(ways)) or 'the tasks after it'}, or write an arrow to {target}"
            yield problem(f"{task.task_id} may go to {target}, which does not follow it", task, write)
        never = set(c.dag.task_dict) if len(targets & ways) > 1 and not several else set()
        for way in targets & ways:
            left_out = ways - {way} - c.dag.get_task(way).get_flat_relative_ids(upstream=False)
            for one in c.dag.topological_sort():
                if one.trigger_rule == "all_success" and one.upstream_task_ids & left_out:
                    left_out = left_out | {one.task_id}
            never &= left_out
        for join in [c.dag.get_task(task_id) for task_id in sorted(never)]:
            if len(join.upstream_task_ids) > 1 and not join.upstream_task_ids <= never:
                yield problem(f"{join.task_id} is always skipped: it joins ways of {task.task_id}", join)


def _branch_targets(c: Dag, task: Any) -> tuple[set[str], bool]:
    """The task ids that a branch function returns, none where they are not all in sight; whether in lists."""
    if any(kind.__name__ == "HITLBranchOperator" for kind in type(task).__mro__):
        return {(task.options_mapping or {}).get(one, one) for one in task.options}, True
    code: Any = getattr(getattr(task, "python_callable", None), "__code__", None)
    is_branch = code and any("Branch" in kind.__name__ for kind in type(task).__mro__)
    for node in c.source.nodes if is_branch else ():
        if isinstance(node, (*FUNCTIONS, ast.Lambda)) and first_line(node) == code.co_firstlineno:
            returned = [n.value for n in ast.walk(node) if isinstance(n, ast.Return)]
            returned = [node.body] if isinstance(node, ast.Lambda) else returned
            values = [v for r in returned for v in ([r.body, r.orelse] if isinstance(r, ast.IfExp) else [r])]
            several = any(hasattr(one, "elts") for one in values)
            values = [v for one in values for v in getattr(one, "elts", [one])]
            texts = {v.value for v in values if isinstance(v, ast.Constant) and isinstance(v.value, str)}
            constant = all(isinstance(v, ast.Constant) for v in values)
            in_sight = constant and None not in [v.value for v in values if isinstance(v, ast.Constant)]
            return (texts, several) if in_sight else (set(), False)
    return set(), False
