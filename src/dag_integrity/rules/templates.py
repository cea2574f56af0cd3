"""The rules about the templates of a parsed DAG: a rule's function gets a `Dag`."""

from __future__ import annotations

import ast
import difflib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..facts import OF_AIRFLOW, Dag, adds_names
from ..model import Found, problem, rule, some
from .files import REMOVED_VARIABLES


@rule("template", "dag", "Use a name of Airflow's template reference, params, or user_defined_macros")
def _template(c: Dag) -> Found:
    """Templated fields are valid Jinja and use names that Airflow 3 provides."""
    for task, field, value in c.templated:
        for wrong, write in _missing_file(task, value) if not _writes_templates(c) else ():
            yield problem(f"{task.task_id}, {field}: {wrong}", task, write)
        maker = getattr(type(task), "get_template_env", None)
        own = maker and not maker.__module__.startswith(OF_AIRFLOW)
        for text in _texts(value):
            environment = task.get_template_env(c.dag) if own else c.environment
            for wrong, write in _wrong_in_template(c, task, text, environment):
                short = text if len(text) < 60 else f"{text[:57]}…"
                yield problem(f"{task.task_id}, {field}: {wrong} in {short!r}", task, write)
                break


def _writes_templates(c: Dag) -> bool:
    """Whether templates may be in a folder that is not of the repository, where a task may write them."""
    folders = c.dag.template_searchpath or []
    folders = [folders] if isinstance(folders, str) else folders
    return not all(Path(folder).resolve().is_relative_to(c.source.root) for folder in folders)


def _missing_file(task: Any, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, str) and task.template_ext and value.endswith(tuple(task.template_ext)):
        write = "Correct its name; it is looked for beside the DAG file"
        if value.startswith(("/", "~")) or " " in value:
            folder, name = os.path.split(value)
            write = f'Write template_searchpath=["{folder}"] on the DAG and "{name}" here'
            if folder == os.path.dirname(task.dag.fileloc):
                write = f'Write "{name}" alone: it is looked for beside the DAG file'
            elif value.endswith((".sh", ".bash")):
                write = f'Write "{value} " with a space at its end: a command, and no template file'
        by = "by the absolute path" if value.startswith("/") else "of the name"
        yield f"Airflow finds no template file {by} {value}", write


def _texts(value: Any, depth: int = 0) -> Iterator[str]:
    """The texts in a templated field's value that may hold a template."""
    if isinstance(value, str):
        if "{" in value:
            yield value
    elif depth < 8 and isinstance(value, (dict, list, tuple, set)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _texts(item, depth + 1)


def _wrong_in_template(c: Dag, task: Any, text: str, environment: Any) -> Iterator[tuple[str, str]]:
    """What is wrong with a template and what to write."""
    import jinja2.meta

    known_keys = c.airflow.KNOWN_CONTEXT_KEYS
    own = set(c.dag.user_defined_macros or {})
    if match := re.search(rf"(?<![{{$]){{ ({'|'.join(known_keys)}) }}(?!}})", text):
        write = f"Write {{{{ {match[1]} }}}}; in an f-string {{{{{{{{ {match[1]} }}}}}}}}"
        yield f"{match[0]} is no template", write
    try:
        tree = environment.parse(text)
        undeclared = jinja2.meta.find_undeclared_variables(tree)
    except jinja2.TemplateError as error:
        yield f"{error.message}: no valid Jinja", "Correct the template"
        return
    unknown = undeclared - known_keys - own - set(environment.globals)
    for name in sorted(unknown & set(REMOVED_VARIABLES)):
        yield f"{name}, which Airflow 3 has not,", f"Write {REMOVED_VARIABLES[name]}"
    if unknown and not adds_names(task):
        yield f"{some(sorted(unknown))}, which Airflow does not provide,", ""
    params = {*c.dag.params, *(getattr(task, "params", None) or {})}
    for node in tree.find_all((jinja2.nodes.Getattr, jinja2.nodes.Getitem)):
        name = str(getattr(node, "attr", None) or getattr(getattr(node, "arg", None), "value", ""))
        of = getattr(node.node, "name", "") if name else ""
        run, asks_first = getattr(node.node, "node", None), re.search(r"\bif\b|is defined|default|\bd\(", text)
        of_conf = getattr(node.node, "attr", "") == "conf" and getattr(run, "name", "") == "dag_run"
        of_conf = of_conf and c.dag.template_undefined is jinja2.StrictUndefined
        if of_conf and name and c.runs_by_time and not (asks_first or hasattr(dict, name)):
            yield f"conf[{name!r}], which no scheduled run has,", f"Write dag_run.conf.get('{name}', …)"
        if of == "macros" and of not in own and not hasattr(c.airflow.macros, name):
            write = "Use one of Airflow's macros, or user_defined_macros"
            yield f"macros.{name}, which does not exist,", write
        known = name in params or hasattr(dict, name) or not (params or c.runs_by_time)
        if of == "params" and of not in own and not known:
            write = f"Declare {name} in params, or use {some(sorted(params)) or 'another value'}"
            yield f"params.{name}, which the DAG has not,", write


@rule("xcom", "dag", "Use the task_id of a task of this DAG")
def _xcom(c: Dag) -> Found:
    """What is pulled from a task is pulled from one that the DAG has."""
    known = set(c.dag.task_dict)
    for task, field, value in c.templated:
        calls = [call for text in _texts(value) for call in re.findall(r"xcom_pull\(([^()]*)\)", text)]
        for call in calls:
            match = re.match(r"\s*(?:task_ids\s*=\s*)?\[?['\"]([\w.-]+)['\"]", call)
            if match and "dag_id" not in call and match[1] not in known:
                wrong = f"{task.task_id}, {field}: there is no task {match[1]} to pull from"
                yield problem(wrong, task, _full_id(match[1], known))
    for node in c.source.nodes if c.siblings == 1 and "xcom_pull" in c.source.text else ():
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "xcom_pull":
            given = {keyword.arg: keyword.value for keyword in node.keywords}
            value = given.get("task_ids", node.args[0] if node.args else None)
            for task_id in [getattr(one, "value", None) for one in getattr(value, "elts", [value])]:
                if isinstance(task_id, str) and "dag_id" not in given and task_id not in known:
                    wrong = f"There is no task {task_id} to pull from"
                    yield problem(wrong, node.lineno, _full_id(task_id, known))


def _full_id(task_id: str, known: set[str]) -> str:
    """What to write for the id of a task in a group without the group's name, or for one that is misspelt."""
    inside = sorted(one for one in known if one.endswith(f".{task_id}"))
    near = inside or difflib.get_close_matches(task_id, known, 1, 0.7)
    return f"Write {near[0]}" if near else ""
