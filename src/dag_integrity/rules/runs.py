"""The rules about one parsed DAG that Airflow takes and that goes wrong when it runs: each gets a `Dag`."""

from __future__ import annotations

import ast
import datetime
import inspect
import re
from functools import cache
from typing import Any

from ..config import helm_values
from ..discovery import Folder
from ..facts import (
    Dag,
    adds_names,
    argument_of,
    arguments_of,
    callable_of,
    code_of,
    condition_of,
    cron_of,
    function_of,
    listed,
    mapped_values,
    templates_of,
)
from ..model import Found, problem, rule, some
from ..syntax import FUNCTIONS, dotted
from .files import REMOVED_VARIABLES

# What only a run with a logical date has: Airflow leaves them out of the context of one that an asset starts
OF_DATE = {"data_interval_start", "data_interval_end", "ds", "ds_nodash", "logical_date", "ts", "ts_nodash"}
OF_DATE |= {"prev_data_interval_start_success", "prev_data_interval_end_success", "ts_nodash_with_tz"}
# Trigger rules by which a task runs though one before it has failed
AFTER_FAILURE = {"all_done", "all_done_min_one_success", "always", "none_skipped", "one_done"}
LONG = 3600  # seconds that a sensor may hold a worker
SCALARS = {"str", "int", "float", "bool", "bytes"}
TEXTS = ("doc", "doc_md", "doc_json", "doc_yaml", "doc_rst", "task_display_name", "params", "python_callable")
FRAME = re.compile(r"(^|\.)(DataFrame|read_(csv|parquet|json|sql|sql_query|sql_table|excel))$")
# What the FAB auth manager brings
ROLES = {"Admin", "Op", "Public", "User", "Viewer"}


@rule("asset-run", "dag", "Write dag_run.run_after, or partition_key where the asset has partitions", since="3")
def _asset_run(c: Dag) -> Found:
    """A DAG that an asset starts uses no date of the schedule, which such a run has not."""
    condition, own = c.dag.timetable.asset_condition, set(c.dag.user_defined_macros or {})
    if condition is None or hasattr(c.dag.timetable, "timetable"):  # or by time, too
        return
    for task, field, text in templates_of(c):
        names = set(re.findall(r"(?<![\w.'\"])[a-z_]+\b(?!\s*=[^=]|['\"])", " ".join(expressions_of(text))))
        cared_for = re.search(r"is (not )?defined|default|\bd\(", text)
        if (found := sorted(names & OF_DATE - own)) and not cared_for:
            wrong = f"{task.task_id}, {field}: {some(found)} is not there in a run that an asset started"
            yield problem(wrong, task)
    for task in c.dag.tasks:
        for node in code_of(c, task):
            if isinstance(node, ast.Subscript) and dotted(node.value) in ("context", "kwargs"):
                name = getattr(node.slice, "value", "")
                if isinstance(name, str) and name in OF_DATE:
                    wrong = f"{task.task_id}: {name} is not in the context of a run that an asset started"
                    yield problem(wrong, node.lineno, 'Write context["dag_run"].run_after')


@rule("partition-key", "dag", "Write schedule=CronPartitionTimetable(…), or use the date, as {{ ds }}", since="3")
def _partition_key(c: Dag) -> Found:
    """A DAG that asks for its partition has a schedule with partitions."""
    for task, field, text in templates_of(c) if c.runs_by_time and not c.partitioned else ():
        if any(re.search(r"\bpartition_key\b(?!.*\bor\b)", one) for one in expressions_of(text)):
            yield problem(f"{task.task_id}, {field}: a scheduled run has no partition_key, and None is written", task)


def expressions_of(text: str) -> list[str]:
    return re.findall(r"\{[{%](.*?)[}%]\}", text, re.S)


@rule("untemplated", "dag", "Give the operator the value itself, or have the name in template_fields")
def _untemplated(c: Dag) -> Found:
    """A template is in an argument that the operator renders."""
    for task in c.dag.tasks:
        fields = set(task.template_fields or ())
        rendered = [argument_of(task, field) for field in fields]
        if adds_names(task) or (None in rendered and not all(hasattr(task, field) for field in fields)):
            continue  # it renders by itself, or template-fields says it
        for name, value in arguments_of(task).items():
            if not isinstance(value, str) or name in fields or name in TEXTS or value in rendered:
                continue
            names = {word for text in expressions_of(value) for word in re.findall(r"^\s*(\w+)", text)}
            if names & c.airflow.KNOWN_CONTEXT_KEYS:
                yield problem(f"{task.task_id}: {name} is not templated: {value} stays as it is", task)


@rule("template-fields", "dag", "Name the operator's attributes in template_fields")
def _template_fields(c: Dag) -> Found:
    """What template_fields names is an attribute of the operator."""
    for task in c.dag.tasks:
        mapped = getattr(task, "partial_kwargs", None) is not None
        missing = [field for field in task.template_fields or () if not (mapped or hasattr(task, field))]
        if missing:
            wrong = f"{type(task).__name__} has no {some(missing)}, which its template_fields name"
            yield problem(wrong, task)


@rule("op-arguments", "dag", "Give the function the arguments that it takes, by op_kwargs")
def _op_arguments(c: Dag) -> Found:
    """op_args and op_kwargs fit the function."""
    for task in c.dag.tasks:
        function, given = callable_of(task), arguments_of(task)
        args, kwargs = given.get("op_args") or (), given.get("op_kwargs") or {}
        plain = not any(re.search("Decorated|^_Asset", kind.__name__) for kind in type(task).__mro__)
        if type(given.get("python_callable")).__name__ == "_TaskDecorator":
            write = f"Call it in the DAG, as {function.function.__name__}(), or take @task off"
            yield problem(f"{task.task_id}: its python_callable is a task itself", task, write)
        handed = [*listed(getattr(task, "op_args", None)), *dict(getattr(task, "op_kwargs", None) or {}).values()]
        for name in [one.function.__name__ for one in handed if type(one).__name__ == "_TaskDecorator"]:
            yield problem(f"{task.task_id} gets {name} itself, and not what it returns", task, f"Write {name}()")
        # What is mapped is known when it runs, and so is what a template or a task gives
        if not (plain and inspect.isfunction(function) and isinstance(args, (list, tuple))):
            continue
        if not isinstance(kwargs, dict) or getattr(task, "partial_kwargs", None) is not None:
            continue
        taken = inspect.signature(function).parameters
        by_name = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
        named = {name for name, one in taken.items() if one.kind in by_name}
        anything = {one.kind for one in taken.values()} & {inspect.Parameter.VAR_KEYWORD}
        for name in list(taken)[: len(args)]:
            if name in c.airflow.KNOWN_CONTEXT_KEYS | set(kwargs):
                wrong = f"{task.task_id}: {function.__name__}() gets {name} twice, by op_args and by name"
                yield problem(wrong, task)
        if not anything and (unknown := sorted(set(kwargs) - named)):
            yield problem(f"{task.task_id}: {function.__name__}() does not take {some(unknown)}, which gets lost", task)
        rest = list(taken)[len(args) :]
        missing = [name for name in rest if name in named and taken[name].default is inspect.Parameter.empty]
        if missing := [name for name in missing if name not in {*kwargs, *c.airflow.KNOWN_CONTEXT_KEYS}]:
            new = next((REMOVED_VARIABLES[name] for name in missing if name in REMOVED_VARIABLES), "")
            write = f"Write {new}, which Airflow 3 has in its place" if new.isidentifier() else ""
            yield problem(f"{task.task_id}: {function.__name__}() is not given {some(missing)}", task, write)


@rule("xcom-order", "dag", "Write an arrow (>>) from it to this task")
def _xcom_order(c: Dag) -> Found:
    """What is pulled from a task is pulled from one that comes before."""
    said = set()

    def late(task: Any, task_id: str) -> bool:
        known = task_id in c.dag.task_dict and task_id != task.task_id and (task, task_id) not in said
        said.add((task, task_id))
        return known and task_id not in task.get_flat_relative_ids(upstream=True)

    for task, _, text in templates_of(c):
        for call in re.findall(r"xcom_pull\(([^()]*)\)", text):
            call = call.replace(f"dag_id='{c.dag.dag_id}'", "")  # as an f-string of a task's output has it
            ids = re.match(r"\s*(?:task_ids\s*=\s*)?(\[[^]]*\]|['\"][\w.-]+['\"])", call)
            for task_id in re.findall(r"['\"]([\w.-]+)['\"]", ids[1]) if ids else ():
                if not re.search("dag_id|prior_dates", call) and late(task, task_id):
                    wrong = f"{task.task_id} pulls from {task_id}, which does not come before it"
                    yield problem(wrong, task, f"Write an arrow: {task_id} >> {task.task_id}")
    for task in c.dag.tasks if "xcom_pull" in c.source.text else ():
        for node in code_of(c, task):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "xcom_pull":
                given = {keyword.arg: keyword.value for keyword in node.keywords}
                value = given.get("task_ids", node.args[0] if node.args else None)
                for one in getattr(value, "elts", [value]):
                    task_id = getattr(one, "value", None)
                    elsewhere = {"dag_id", "include_prior_dates"} & set(given)
                    if isinstance(task_id, str) and not elsewhere and late(task, task_id):
                        wrong = f"{task.task_id} pulls from {task_id}, which does not come before it"
                        yield problem(wrong, node.lineno, f"Write an arrow: {task_id} >> {task.task_id}")


@rule("mapped-text", "dag", "Return a list or a dict from the task that is mapped over")
def _mapped_text(c: Dag) -> Found:
    """A task is mapped over a list or a dict."""
    for task in c.dag.tasks:
        values = [value for value in mapped_values(task) if isinstance(value, dict)]
        for name, given in [pair for value in values for pair in value.items()]:
            maker: Any = getattr(given, "operator", None)
            returned = getattr(function_of(c, maker), "returns", None) if maker else None
            kind = ast.unparse(returned) if returned else ""
            if kind.strip("'\"") in SCALARS and given.key == "return_value":
                wrong = f"{task.task_id} is mapped over {name}: {maker.task_id} returns {kind}"
                yield problem(wrong, _mapping_line(c, task))
            if isinstance(given, (list, dict)) and not given:
                wrong = f"{task.task_id} is mapped over {name}, which is empty: it is always skipped"
                yield problem(wrong, _mapping_line(c, task), "Give it values, or the output of a task")
            texts = isinstance(given, list) and any(isinstance(one, (str, int, list, tuple)) for one in given)
            if name == "op_kwargs" and (isinstance(given, dict) or texts):
                wrong = f"{task.task_id} is mapped over op_kwargs, and each task needs a dict of its own"
                yield problem(wrong, task, 'Write .expand(op_kwargs=[{"name": …}, …])')


@rule("mapped-arguments", "dag", "Use an argument that it takes")
def _mapped_arguments(c: Dag) -> Found:
    """The arguments that expand_kwargs() lists are such as the task takes."""
    for task in c.dag.tasks:
        given = [one for value in mapped_values(task) if isinstance(value, (list, tuple)) for one in value]
        named = {name for one in given if isinstance(one, dict) for name in one}
        function, kind = callable_of(task), str(getattr(task, "operator_class", ""))
        if not named or not inspect.isfunction(function) or "Decorated" not in kind:
            continue
        taken = inspect.signature(function).parameters
        anything = any(one.kind == inspect.Parameter.VAR_KEYWORD for one in taken.values())
        if not anything and (unknown := sorted(named - {*taken})):
            wrong = f"{task.task_id}: {function.__name__}() does not take {some(unknown)}"
            yield problem(wrong, _mapping_line(c, task))


def _mapping_line(c: Dag, task: Any) -> Any:
    """The line where it is mapped, if that is in sight."""
    name = getattr(callable_of(task), "__name__", "")
    calls = [n for n in c.source.nodes if isinstance(n, ast.Call) and getattr(n.func, "attr", "").startswith("expand")]
    lines = [n.lineno for n in calls if dotted(n.func).split(".")[0] == name]
    return lines[0] if len(lines) == 1 else task


@rule("xcom-frame", "dag", "Write it to storage in the task, and return its path")
def _xcom_frame(c: Dag) -> Found:
    """No task returns a DataFrame into Airflow's database."""
    values = helm_values(c.source.root)
    backend = f"{c.policy.environment} {values.get('config')} {values.get('env')} {values.get('extraEnv')}"
    for task in c.dag.tasks if "xcom_backend" not in backend.lower() else ():
        function = function_of(c, task)
        pushes = arguments_of(task).get("do_xcom_push", True)
        if not isinstance(function, FUNCTIONS) or not pushes:
            continue
        kind = ast.unparse(function.returns).strip("'\"") if function.returns else ""
        inner = [f for f in ast.walk(function) if f is not function and isinstance(f, FUNCTIONS)]
        theirs = {n for f in inner for n in ast.walk(f)}
        returned = [n for n in ast.walk(function) if isinstance(n, ast.Return) and n not in theirs]
        calls = [n.value for n in returned if isinstance(n.value, ast.Call)]
        if FRAME.search(kind) or any(FRAME.search(c.source.full_name(call.func)) for call in calls):
            yield problem(f"{task.task_id} returns a DataFrame, which goes into Airflow's database", task)


@rule("sensor-slot", "dag", 'Write mode="reschedule", deferrable=True or a timeout below an hour', house=True)
def _sensor_slot(c: Dag) -> Found:
    """A sensor that may wait for long does not hold a worker meanwhile."""
    for task in c.dag.tasks:
        waits = getattr(task, "timeout", 0) if getattr(task, "mode", "") == "poke" else 0
        waits = getattr(task, "delta", waits) if waits else 0  # as TimeDeltaSensor has it
        waits = waits.total_seconds() if isinstance(waits, datetime.timedelta) else waits
        sensor = any(kind.__name__ == "BaseSensorOperator" for kind in type(task).__mro__)
        sensor = sensor and not getattr(task, "deferrable", False)
        if sensor and isinstance(waits, (int, float)) and waits > LONG:
            yield problem(f"{task.task_id} may hold a worker for {waits / 3600:g} hours", task)


@rule("hidden-failure", "dag", "Make it a teardown (.as_teardown()), or end with a task without a trigger_rule")
def _hidden_failure(c: Dag) -> Found:
    """A DAG in which a task has failed does not end as a success."""
    leaves = [task for task in c.dag.tasks if not task.downstream_task_ids and not task.is_teardown]
    hiding = [one for one in leaves if one.trigger_rule in AFTER_FAILURE and one.upstream_task_ids]
    if leaves and len(hiding) == len(leaves):
        wrong = f"The run is a success whatever fails: {some(one.task_id for one in hiding)} runs in any case"
        yield problem(wrong, hiding[0])


@rule("short-circuit", "dag", "Write ignore_downstream_trigger_rules=False on the task that may skip")
def _short_circuit(c: Dag) -> Found:
    """What is to run in any case is not skipped by a short circuit."""
    for task in c.dag.tasks:
        if getattr(task, "ignore_downstream_trigger_rules", False):
            after = [c.dag.get_task(one) for one in sorted(task.get_flat_relative_ids(upstream=False))]
            skipped = [one for one in after if one.trigger_rule in AFTER_FAILURE and not one.is_teardown]
            if skipped:
                names = some(one.task_id for one in skipped)
                yield problem(f"{task.task_id} skips {names}, too: their trigger rule does not count", task)


@rule("waits-for-itself", "dag", "Trigger another DAG, or do not wait for completion")
def _waits_for_itself(c: Dag) -> Found:
    """No DAG waits for a run of its own."""
    for task in c.dag.tasks:
        given = arguments_of(task)
        if given.get("trigger_dag_id") == c.dag.dag_id and given.get("wait_for_completion"):
            yield problem(f"{task.task_id} starts its own DAG and waits for it, which waits again", task)
        other_run = given.get("execution_delta") or given.get("execution_date_fn")
        if given.get("external_dag_id") == c.dag.dag_id and "ExternalTaskSensor" in str(type(task)) and not other_run:
            awaited = {given.get("external_task_id"), *(given.get("external_task_ids") or ())} - {None}
            if not awaited or awaited & task.get_flat_relative_ids(upstream=False):
                wrong = f"{task.task_id} waits for {some(sorted(awaited)) or 'its own run'}, which waits for it"
                yield problem(wrong, task, "Take it out; or write execution_delta, for an earlier run")


@rule("run-id", "dag", "Take trigger_run_id out, or write a template into it, as nightly_{{ ds }}")
def _run_id(c: Dag) -> Found:
    """A run that is started has an id of its own each time: the second of one id fails."""
    for task in c.dag.tasks:
        run_id = argument_of(task, "trigger_run_id")
        again = argument_of(task, "reset_dag_run") or argument_of(task, "skip_when_already_exists")
        if isinstance(run_id, str) and "{" not in run_id and run_id in c.source.text and not again:
            yield problem(f"{task.task_id} starts run {run_id} each time, which is there after the first", task)


@rule("teardown", "dag", "Write an arrow from the work to the teardown")
def _teardown(c: Dag) -> Found:
    """A teardown waits for the work that uses what its setup has made."""
    for task in [one for one in c.dag.tasks if one.is_teardown]:
        before = task.get_flat_relative_ids(upstream=True)
        for setup in [c.dag.get_task(one) for one in sorted(task.upstream_task_ids) if c.dag.get_task(one).is_setup]:
            others = setup.downstream_task_ids - {task.task_id}
            work = sorted(one for one in others - before if not c.dag.get_task(one).is_teardown)
            if work and not others & before:
                wrong = f"{task.task_id} does not wait for {some(work)}, which needs what {setup.task_id} has made"
                yield problem(wrong, task, f"Write an arrow: {work[0]} >> {task.task_id}")


@rule("asset-events", "dag", "Ask first, or give the DAG the asset as its schedule", since="3")
def _asset_events(c: Dag) -> Found:
    """Only a run that assets have started has events of them to take out."""
    for task in c.dag.tasks if condition_of(c.dag.timetable) is None else ():
        asks = any(isinstance(node, (ast.Try, ast.If, ast.IfExp)) for node in code_of(c, task))
        for node in code_of(c, task) if not asks else ():
            first = isinstance(node, ast.Call) and dotted(node.func) == "next" and len(node.args) == 1
            of = node.args[0] if first else node.value if isinstance(node, ast.Subscript) else task
            if of is not task and re.match(r"((iter|list)\()?triggering_asset_events\b", ast.unparse(of)):
                yield problem(f"{task.task_id}: no asset starts a run of this DAG, which has no events", node.lineno)


@rule("role", "dag", "Use a role that is there, or add it to roles in pyproject.toml", house=True)
def _role(c: Dag) -> Found:
    """The roles in access_control are there: or Airflow refuses the DAG."""
    if unknown := sorted(set(c.dag.access_control or {}) - ROLES - set(c.policy.roles)):
        yield f"Airflow refuses the DAG: role {some(unknown)} is not declared"


@rule("connection", "dag", "Use one that is there, or add it to connections in pyproject.toml", house=True)
def _connection(c: Dag) -> Found:
    """Where the policy names connections, operators use no others."""
    for task in c.dag.tasks if c.policy.connections else ():
        for name, value in arguments_of(task).items():
            known = not isinstance(value, str) or "{" in value or value in c.policy.connections
            if name.endswith("conn_id") and not known:
                yield problem(f"{task.task_id}: connection {value} is not declared", task)


@rule("sensor-schedule", "folder", "Write execution_delta or execution_date_fn, or wait for an asset of it")
def _sensor_schedule(folder: Folder) -> Found:
    """What an ExternalTaskSensor waits for has a run of the same logical date."""
    from croniter import croniter

    dags = {dag["dag_id"]: dag for dag in folder.facts}
    triggered = {dag_id for dag in folder.facts for dag_id in dag["triggers"]}
    for dag in folder.facts:
        for line, task_id, dag_id, delta in dag["sensors"] if dag["cron"] else ():
            other = dags.get(dag_id)
            if other is None or (other["cron"] or ("",))[0] not in ("", dag["cron"][0]):
                continue
            if other["cron"]:
                own = croniter(dag["cron"][1], datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC))
                dates = [own.get_next(datetime.datetime) for _ in range(100)]
                dates = [date - datetime.timedelta(seconds=delta) for date in dates]
                if any(croniter.match(other["cron"][1], date) for date in dates):
                    continue
            elif other["schedule"] != "-" or dag_id in triggered:
                continue
            when = other["cron"][1] if other["cron"] else "no schedule"
            wrong = f"{task_id} waits for a run of the same date, and {dag_id} never has one ({when})"
            yield problem(wrong, line, file=dag["file"])


@rule("daylight-saving", "dag", "Write an hour that every day has once, or a timetable in UTC")
def _daylight_saving(c: Dag) -> Found:
    """The schedule is at no hour that daylight saving skips."""
    from croniter import croniter

    zone, expression = cron_of(c) or (None, "")
    hours = expression.split()[1:2]
    for at in skipped_times(zone) if hours and "*" not in hours[0] else ():
        if croniter.match(expression, at):
            yield f"{at:%H:%M} is skipped on {at:%Y-%m-%d} in {getattr(zone, 'name', zone)}"
            return


@cache
def skipped_times(zone: Any) -> list[datetime.datetime]:
    """The minutes that daylight saving leaves out in the year to come."""
    import pendulum

    zone = pendulum.timezone(zone) if isinstance(zone, str) else zone
    now = datetime.datetime.now(datetime.UTC).replace(minute=0, second=0, microsecond=0)
    hours = [now + datetime.timedelta(hours=number) for number in range(366 * 24)]
    offsets = [hour.astimezone(zone).utcoffset() or datetime.timedelta() for hour in hours]
    skipped = []
    for hour, before, after in zip(hours[1:], offsets, offsets[1:], strict=False):
        first, minute = (hour + before).replace(tzinfo=None), datetime.timedelta(minutes=1)
        skipped += [first + number * minute for number in range((after - before) // minute)]
    return skipped
