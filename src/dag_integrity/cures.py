"""What to write instead, by the words of the errors that Airflow and Python raise in DAG files: a table."""

from __future__ import annotations

import difflib
import importlib
import re

OUTPUT = "Work on it in a task: a task's output has no value while the file is parsed"
ARROWS = "Write arrows (>>) between tasks, groups and lists of them only"
CALLED = "Call them: extract() >> load(); under @task a function is a task when it is called"
SETUP = "Give the setup's followers no other trigger_rule than all_success"
# A pattern of the message, and what to write; its groups may be used. The first that fits counts.
CURES = [
    # Arrows
    (r"unsupported operand type\(s\) for (>>|<<): .*_TaskDecorator", CALLED),
    (r"'_TaskDecorator' object has no attribute 'update_relative'", CALLED),
    (r"'function' object has no attribute 'update_relative'", "Make a task of it, @task, and call it"),
    (
        r"'NoneType' object has no attribute '(update_relative|set_upstream|set_downstream|roots|leaves)'",
        "Give a task in its place: what was called returns None; @task makes a function a task",
    ),
    (r"'(\w+)' object has no attribute 'update_relative'", ARROWS + ", not a {1}"),
    (r"Relationships can only be set between|unsupported operand type\(s\) for (>>|<<)", ARROWS),
    (r"relationships between tasks in more than one D", "Write a TriggerDagRunOperator, or schedule=[Asset(…)]"),
    (r"Cannot mix TaskGroups from different D", "Make the group in the `with` block of its own DAG"),
    (r"tasks that don't have D\w+s yet", "Make the tasks in `with DAG(…):`, or give each dag=…"),
    (r"TaskGroup can only be used inside a dag", "Make the group in `with DAG(…):`, or in a function under @dag"),
    (r"Chain not supported for different length", "Give chain() lists of one length, or put one task between them"),
    (r"Chain not supported between instances of", "Give chain() tasks, groups and lists of them"),
    (r"Cannot use edge labels with", "Write Label(…) between two tasks or groups"),
    (r"'str' object has no attribute 'is_setup'", "Give the task itself: .as_teardown(setups=create)"),
    (r"'str' object has no attribute 'active_runs_limit'", "Write timetable=CronTriggerTimetable(…, timezone=…)"),
    (r"'utf-8' codec can't decode", "Save the file as UTF-8"),
    # Outputs of tasks
    (r"XComArg' and '|and '\w*XComArg'|'\w*XComArg' (object has no len|object cannot be)", OUTPUT),
    (r"object of type '\w*XComArg' has no len|not '?\w*XComArg'?$", OUTPUT),
    (r"int\(\) argument must be .* not '\w*XComArg'|float\(\) argument .* not '\w*XComArg'", OUTPUT),
    (r"'\w*XComArg' object has no attribute|XComArg' object does not support|'\w*XComArg' object is not", OUTPUT),
    (r"cannot map over XCom with custom key", "Map over the whole value of a task that returns a list"),
    (r"XComArg only supports str lookup", OUTPUT),
    # Mapping
    (r"unexpected type '_TaskDecorator'", "Call it: .expand(name=task()) maps over what the task returns"),
    (r"no arguments to expand against", "Write .expand(name=[…])"),
    (
        r"expected XComArg or list\[dict\]",
        "Give expand_kwargs() a list of dicts, or the output of a task that returns one",
    ),
    (
        r"expand\(\) got an unexpected type",
        "Write .partial(…=…) for one value: .expand() takes a list, a dict or an output",
    ),
    (r"(expand|partial)\(\) got (an )?unexpected keyword arguments?", "Use an argument that the task takes"),
    (
        r"(already specified|mapping already partial|duplicate partial) arguments?: (.*)",
        "Give {2} once, to partial() or to expand()",
    ),
    (r"within a (task using 'expand'|mapped task group).* trigger rule 'always'", 'Take trigger_rule="always" out'),
    # Names and ids
    (r"has to be made of alphanumeric", "Write letters, digits, -, . and _ only"),
    (r"The key has to be a string|dag_id must be|key .* is not a string", "Give a text as id"),
    (
        r"node_id .* not found|Task \S+ not found|Node id .* not part",
        "Use the id of a task of this DAG, with its group's name in front",
    ),
    (r"Task or group '(.*)' not found", "Use the id of a task of this DAG, with its group's name in front"),
    (r"TaskAlreadyInTaskGroup|is already in .*TaskGroup", "Make the task in the `with` block of one group"),
    (r"Cannot add a non-empty TaskGroup", "Make the group in the DAG that it belongs to"),
    (r"tag cannot be longer than", "Write a shorter tag"),
    # Arguments of tasks and DAGs
    (r"'?(\w+)'? must be (?:<class ')?(?:datetime\.)?timedelta", "Write {1}=timedelta(seconds=…)"),
    (r"'?(\w+)'? must be (?:<class ')?(\w+)(?:'>)? \(got", "Give {1} a {2}"),
    (
        r"trigger_rule must be one of|is not a valid TriggerRule|trigger rule .* is not valid",
        "Use a name from this list, as all_done",
    ),
    (
        r"weight_rule must be one of|Unknown priority strategy \w+$|Invalid weight rule|not a valid WeightRule",
        'Write weight_rule="downstream", "upstream" or "absolute"',
    ),
    (r"Invalid arguments were passed to (\w+)", "Take it out, or use an argument that {1} takes"),
    (r"got an unexpected keyword argument '(\w+)'", "Take {1} out, or use an argument that there is"),
    (
        r"missing (keyword )?argument(s)? |missing \d+ required|missing a required argument",
        "Give the argument that is missing",
    ),
    (r"unsupported type for timedelta", "Write timedelta(minutes=…)"),
    (r"pool.slots .* cannot be less than 1", "Write pool_slots=1"),
    (r"is not a valid schedule", "Write a cron expression, a preset as @daily, a timedelta, a timetable or assets"),
    (r"All elements in 'schedule' should be", 'Write schedule=[Asset("…")]: texts are no assets'),
    (r"requires max_active_runs <=", "Write max_active_runs=1"),
    (r"start_date is required when catchup", 'Write start_date=pendulum.datetime(2026, 1, 1, tz="UTC")'),
    (r"allowed_run_types must include (\w+)", "Add DagRunType.{1} to allowed_run_types"),
    (r"Wrong link format was used for the owner", "Write an address as https://… or mailto:…"),
    (r"Setup tasks must be followed|Trigger rule not configurable for teardown", SETUP),
    (r"Use .*dag\.add_task|DAG\.tasks can not be modified", "Make the tasks in `with DAG(…):`"),
    (r"Context key parameter (\w+) can't have a default", "Write {1}=None: Airflow gives the value"),
    (r"The key '?(\w+)'? in args is a part of kwargs", "Rename {1}: Airflow gives the context by that name"),
    (r"The key '?(\w+)'? .* reserved", "Rename {1}: Airflow gives the context by that name"),
    (r"mode .* must be one of|The mode must be one of", 'Write mode="reschedule" or "poke"'),
    (
        r"Cannot call a `?@?task|decorator may only be used|@task decorated .* instance",
        "Write @task on a plain function",
    ),
    (r"Only one of .* (can|may) be|mutually exclusive", "Give one of them"),
    (r"Cannot template BaseOperator field", "Take that field out of template_fields: it is used before a task runs"),
    (
        r"Jinja|template_fields|Missing template field|missing assignment",
        "Assign each name of template_fields in __init__: self.x = x",
    ),
    (
        r"'str' object has no attribute '(utcoffset|tzinfo|astimezone)'",
        'Write a date as pendulum.datetime(2026, 1, 1, tz="UTC")',
    ),
    (r"'(\w+)' type must be (\w+), not (\w+)", "Give {1} a value of type {2}"),
    (r"'str' object has no attribute 'description'", 'Write CronTriggerTimetable("0 4 * * *", timezone="UTC")'),
    (r"Use keyword arguments when initializing", 'Write task_id="…", and the others with their names'),
    (r"only supports functions for python_callable", "Write def …: another Python gets the text of a function"),
    (r"context was requested but no context was found", "Ask for it in a task: while the file is parsed there is none"),
    (r"Provided callback .* is not awaitable", "Write async def, in a module that the triggerer can import"),
    (r"Valid values for `(allowed_states)`", 'Write states of this list, as {1}=["success"]'),
    (r'defaults ".*" should be a subset of options', "Write defaults that are among the options"),
    # Params
    (
        r"SchemaError|is not valid under any of the given schemas",
        'Write a type of JSON Schema, as "string", "integer" or "array"; of a date type="string", format="date"',
    ),
    (r"must be json-serializable", "Give params texts, numbers, lists and dicts"),
    # Assets
    (r"Asset\(\) requires either|name and uri cannot both be empty", 'Write Asset("name") or Asset(uri="scheme://…")'),
    (r"expect asset expressions in condition", "Write assets between & and |, each in Asset(…)"),
    (r"Asset name cannot be empty|Asset uri cannot be empty", 'Write Asset("name")'),
    (r"(prohibited name for asset)", "Write another name"),
    (
        r"cannot exceed 1500 characters|cannot be just whitespace|must only consist of ASCII",
        "Write a short name of ASCII letters",
    ),
    (r"Asset watcher trigger must inherit", "Give it a trigger that is made from BaseEventTrigger"),
    (r"nested function not supported", "Write @asset on a function at the top of the file"),
    (r"wildcard '.*' is not supported in @asset", "Name the arguments one by one: each is an asset, or the context"),
    (r"outlets' argument is not supported in @asset|no outlets provided", "Give the outlets to @asset.multi"),
    (r"Asset reference (must|expects)", "Write Asset.ref(name=…) or Asset.ref(uri=…)"),
    (r"No module named 'airflow\.sdk\.", "Import it from airflow.sdk itself"),
    # Python
    (r"JSONDecodeError", "Give it JSON; a template is rendered in the task, so read it there"),
    (r"object is not callable", "Take the () out, or call a function"),
    (r"name '(\w+)' is not defined", "Import or define {1} above this line"),
]


def cure_of(message: str) -> str:
    """What to write in place of what raised this; '' where the table has no such error."""
    if match := re.search(r"cannot import name '(\w+)' from '([\w.]+)'", message):
        return _near(match[2], match[1])
    if match := re.search(r"module '([\w.]+)' has no attribute '(\w+)'", message):
        return _near(match[1], match[2])
    for pattern, write in CURES:
        if match := re.search(pattern, message):
            return _filled(write, match)
    return ""


def _filled(write: str, match: re.Match[str]) -> str:
    """The words with {1} and the like filled in."""
    return re.sub(r"\{(\d)\}", lambda one: match[int(one[1])] or "", write)


def _near(module: str, name: str) -> str:
    """The name in a module that is most like this one."""
    try:
        names = dir(importlib.import_module(module))
    except Exception:
        return ""
    if (asset := name.replace("Dataset", "Asset")) in names:  # as Airflow 3 calls it
        return f"Write {asset}"
    near = difflib.get_close_matches(name, names, 1, 0.7)
    return f"Write {near[0]}" if near else f"Use a name that {module} has"
