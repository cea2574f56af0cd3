"""The rules about what a task is given, what its function asks for and what it gives: each gets a `Dag`."""

from __future__ import annotations

import ast
import builtins
import difflib
import inspect
import json
import re
import types
from functools import cache
from typing import Any

from ..facts import Dag, argument_of, arguments_of, callable_of, code_of, function_of, listed, templates_of
from ..model import Found, Problem, problem, rule, some
from ..syntax import FUNCTIONS, dotted
from .dags import CALLBACKS
from .runs import expressions_of

OF_RUN = {"ti": "ti", "task_instance": "ti", "dag_run": "dag_run", "dag": "dag"}
CONTEXT = re.compile(r"context|ctx|kwargs|get_current_context")
NOW = {
    "execution_date": "logical_date of dag_run",
    "external_trigger": 'run_type of dag_run, "manual" where a person started it',
    "get_dagrun": 'the run itself, context["dag_run"]',
    "get_task_instance": "ti.get_task_states(…)",
    "get_task_instances": "ti.get_task_states(…)",
    "log": "logging.getLogger(__name__)",
    "next_try_number": "try_number",
    "prev_attempted_tries": "try_number",
    "previous_ti": "get_previous_ti()",
    "queued_dttm": "start_date",
    "setdefault": "Variable.get(…, default=…)",
}
NO_TEXT = (bool, int, float, type(None), dict, list, tuple, set)
# By the name of the operator: its function runs where nothing of the file is
ISOLATED = re.compile(r"Virtualenv|PythonExternal|ExternalPython|DockerDecorated|KubernetesDecorated")


def kinds_of(task: Any) -> list[str]:
    """The names of the classes that a task's operator is of."""
    return [kind.__name__ for kind in getattr(task, "operator_class", type(task)).__mro__]


@rule(
    "email", "dag",
    "Take it out; on_failure_callback=send_smtp_notification(to=…) of the smtp provider writes to people", since="3",
)  # fmt: skip
def _email(c: Dag) -> Found:
    """No task has an email argument, which Airflow 3 deprecated and which needs a provider to be sent."""
    mailing = [task for task in c.dag.tasks if argument_of(task, "email")]
    given = c.stated.get("default_args")
    for_all = given.get("email") if isinstance(given, dict) else None
    own = [task for task in mailing if argument_of(task, "email") != for_all]
    if len(own) < len(mailing):
        names = some(task.task_id for task in mailing if task not in own)
        yield problem(f"{names}: email is deprecated", _key_line(c, "email"))
    for task in own:
        yield problem(f"{task.task_id}: email is deprecated", task)


@rule("default-args", "dag", "Write it as an argument of the DAG itself, or of the operator that takes it")
def _default_args(c: Dag) -> Found:
    """What default_args names is an argument of tasks; Airflow leaves out the rest without a word."""
    given = c.stated.get("default_args")
    of_every_task, of_dag = _parameters(c.airflow.BaseOperator), _parameters(c.airflow.DAG)
    of_task = set(of_every_task)
    if not isinstance(given, dict) or of_task.issuperset(given):
        return
    for task in c.dag.tasks:
        of_task.update(*map(_parameters, getattr(task, "operator_class", type(task)).__mro__))
    for name, value in given.items():
        if not isinstance(name, str) or name in of_task:
            continue
        if name in of_dag:
            has = getattr(c.dag, name, None)
            same = has == value or (isinstance(has, (set, frozenset)) and has == set(listed(value)))
            if name not in c.stated and not same:
                wrong = f"{name} is no argument of tasks, and default_args does not give it to the DAG"
                yield problem(wrong, _key_line(c, name), f"Write {name}=… as an argument of the DAG itself")
        # Like those that every task takes: http_conn_id and sftp_conn_id are no misspelling of each other
        elif (near := difflib.get_close_matches(name, of_every_task, 1, 0.8)) and len(name) > 4:
            wrong = f"No task takes {name}, and nobody says so"
            yield problem(wrong, _key_line(c, name), f"Write {near[0]}")


@cache
def _parameters(kind: type) -> frozenset[str]:
    """The arguments of a class's own constructor."""
    own = inspect.isfunction(vars(kind).get("__init__"))
    return frozenset(inspect.signature(vars(kind)["__init__"]).parameters if own else ())


def _key_line(c: Dag, name: str) -> int | None:
    keys: list[Any] = [key for node in c.source.nodes if isinstance(node, ast.Dict) for key in node.keys if key]
    keys += [node for node in c.source.nodes if isinstance(node, ast.keyword)]
    return next((key.lineno for key in keys if name in (getattr(key, "value", 0), getattr(key, "arg", 0))), None)


@rule("gone-attribute", "dag", "Use what Airflow 3's context has", since="3")
def _gone_attribute(c: Dag) -> Found:
    """What is asked of the task instance, the run, the DAG and Variables is there in Airflow 3."""
    known = _attributes() | {"dag": {*dir(c.dag)}}
    said = set()
    for function in _functions(c):
        names, given = _names_of_run(function), {one.arg for one in arguments_in(function)}
        for node in ast.walk(function):
            if not isinstance(node, ast.Attribute) or node.attr.startswith("_") or node.lineno in c.source.either:
                continue
            of = names.get(dotted(node.value)) if isinstance(node.value, ast.Name) else _from_context(node.value)
            cared_for = any(isinstance(one, ast.Try) and one.handlers for one in c.source.around(node))
            if node.attr == "external_trigger" and dotted(node.value) not in given:
                continue  # ruff knows it of the context
            if of in known and node.attr not in known[of] and not cared_for and node not in said:
                said.add(node)
                yield _gone(of, node.attr, node.lineno)
    for task, field, text in templates_of(c):
        asked = set(re.findall(r"(?<![\w.])(ti|task_instance|dag_run)\.([a-z]\w*)", " ".join(expressions_of(text))))
        asks_first = re.search(r"is (not )?defined|default|\bd\(", text)
        for name, attribute in sorted(asked) if not asks_first else ():
            if attribute not in known[OF_RUN[name]]:
                one = _gone(OF_RUN[name], attribute, task)
                yield one._replace(wrong=f"{task.task_id}, {field}: {one.wrong}")
    for node in c.source.nodes if "Variable." in c.source.text else ():
        name = c.source.full_name(node) if isinstance(node, ast.Attribute) else ""
        if name.startswith("airflow.sdk.Variable.") and name.split(".")[3] not in known["Variable"]:
            yield _gone("Variable", name.split(".")[3], node.lineno)


def _gone(of: str, attribute: str, at: Any) -> Problem:
    new = NOW.get(attribute)
    return problem(f"{of} has no {attribute} in Airflow 3", at, f"Use {new}" if new else "")


@cache
def _attributes() -> dict[str, set[str]]:
    from airflow.sdk import Variable
    from airflow.sdk.api.datamodels._generated import DagRun
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

    models = {"ti": RuntimeTaskInstance, "dag_run": DagRun}
    known = {name: {*dir(model), *model.model_fields} for name, model in models.items()}
    return known | {"Variable": {*dir(Variable), *Variable.__annotations__}}


def _functions(c: Dag) -> list[Any]:
    """The functions of this file that tasks and callbacks run."""
    called = [one for owner in (c.dag, *c.dag.tasks) for kind in CALLBACKS for one in listed(argument_of(owner, kind))]
    codes = [getattr(one, "__code__", None) for one in called]
    lines = [code.co_firstlineno for code in codes if code and code.co_filename == str(c.source.path)]
    found = [function_of(c, task) for task in c.dag.tasks] + [c.source.functions.get(line) for line in lines]
    return [one for one in dict.fromkeys(found) if isinstance(one, FUNCTIONS)]


def _names_of_run(function: ast.AST) -> dict[str, str]:
    """The names in a function that stand for the task instance, the run or the DAG of the context."""
    names = {one.arg: OF_RUN[one.arg] for one in arguments_in(function) if one.arg in OF_RUN}
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            names.pop(node.targets[0].id, None)
            if of := _from_context(node.value):
                names[node.targets[0].id] = of
    return names


def _from_context(node: ast.AST) -> str:
    """Which of them `context["ti"]` is, or ''."""
    if isinstance(node, ast.Subscript) and CONTEXT.fullmatch(dotted(node.value).split(".")[-1]):
        return OF_RUN.get(str(getattr(node.slice, "value", "")), "")
    return ""


def arguments_in(function: Any) -> list[ast.arg]:
    return [node for node in ast.walk(function.args) if isinstance(node, ast.arg)]


def is_task(value: Any) -> bool:
    kinds = {kind.__name__ for kind in type(value).__mro__}
    return bool(kinds & {"AbstractOperator", "BaseOperator", "MappedOperator", "XComArg", "_TaskDecorator"})


@rule("unknown-param", "dag", "Declare it in params, or ask for one that is there")
def _unknown_param(c: Dag) -> Found:
    """What a task's function takes out of params is declared there: or a scheduled run fails."""
    for task in c.dag.tasks:
        function, known = function_of(c, task), {*c.dag.params, *(getattr(task, "params", None) or {})}
        if not isinstance(function, FUNCTIONS) or not (known or c.runs_by_time):
            continue  # who starts it by hand may give anything
        given = {one.arg for one in arguments_in(function)}
        own = arguments_of(task)
        if own.get("op_args") or "params" in (own.get("op_kwargs") or {}) or hasattr(task, "partial_kwargs"):
            given.discard("params")  # an argument like any other
        given -= {n.id for n in ast.walk(function) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
        for node in ast.walk(function):
            if not isinstance(node, ast.Subscript) or not isinstance(node.ctx, ast.Load):
                continue
            name = getattr(node.slice, "value", None)
            if not isinstance(name, str) or name in known:
                continue
            of: Any = node.value
            by_argument = isinstance(of, ast.Name) and of.id == "params" and of.id in given
            by_context = isinstance(of, ast.Subscript) and getattr(of.slice, "value", "") == "params"
            cared_for = any(isinstance(one, (ast.Try, ast.If, ast.IfExp)) for one in c.source.around(node))
            if (by_argument or (by_context and CONTEXT.fullmatch(dotted(of.value)))) and not cared_for:
                write = f"Declare it in params, or use {some(sorted(known))}" if known else ""
                yield problem(f"{task.task_id} asks for params[{name!r}], which the DAG has not", node.lineno, write)
            run: Any = getattr(of, "value", None) if getattr(of, "attr", "") == "conf" else None
            of_run = _from_context(run) if isinstance(run, ast.Subscript) else dotted(run) if "dag_run" in given else ""
            if of_run == "dag_run" and c.runs_by_time and not cared_for:
                write = f'Write dag_run.conf.get("{name}", …), or declare it in params'
                yield problem(f"{task.task_id} asks for conf[{name!r}], which no scheduled run has", node.lineno, write)


@rule("letters", "dag", "Write a list, […]")
def _letters(c: Dag) -> Found:
    """What is a list is given as one: a text is taken letter by letter."""
    if isinstance(tags := c.stated.get("tags"), str) and len(tags) > 1:
        yield problem(f"tags={tags!r} is a text: the DAG's tags are its letters")
    for task in c.dag.tasks:
        given = arguments_of(task).get("op_args")
        native = c.dag.render_template_as_native_obj and "{" in str(given)
        if isinstance(given, str) and len(given) > 1 and not native:
            yield problem(f"{task.task_id}: op_args={given!r} is a text: the function gets its letters", task)


@rule("outlets", "dag", 'Write outlets=[Asset("…")]')
def _outlets(c: Dag) -> Found:
    """Outlets are assets: of a text nobody hears."""
    for task in c.dag.tasks:
        texts = [one for one in listed(argument_of(task, "outlets")) if isinstance(one, str)]
        if texts:
            yield problem(f"{task.task_id}: outlet {some(texts)} is a text and no asset", task)


@rule("value-type", "dag", "Write it as a text")
def _value_type(c: Dag) -> Found:
    """What goes to a process, to another DAG or to Kubernetes is of a type that goes there."""
    for task in c.dag.tasks:
        kinds, given = kinds_of(task), arguments_of(task)
        env, conf = given.get("env"), given.get("conf")
        if "BashOperator" in kinds and type(env) is dict:
            no_texts = [name for name, one in env.items() if isinstance(one, NO_TEXT)]
            if no_texts:
                yield problem(f"{task.task_id}: {some(no_texts)} in env is no text", task)
        if "TriggerDagRunOperator" in kinds and isinstance(conf, (dict, str)) and (wrong := _not_json(conf)):
            write = "Write a text, as .isoformat() of a time"
            yield problem(f"{task.task_id}: conf goes to the other DAG as JSON, and {wrong}", task, write)
        config = given.get("executor_config")
        pod = config.get("pod_override") if isinstance(config, dict) else None
        if isinstance(config, dict) and (config.get("KubernetesExecutor") or isinstance(pod, dict)):
            write = 'Write {"pod_override": k8s.V1Pod(…)} of the kubernetes client'
            wrong = f"{task.task_id}: the executor refuses such an executor_config, and the task fails"
            yield problem(wrong, task, write)


def _not_json(value: Any) -> str:
    def default(one: Any) -> None:
        if is_task(one) or "XComArg" in str(type(one)):
            return None
        raise TypeError(f"{type(one).__name__} is not of it")

    try:
        if isinstance(value, str):
            return "" if "{{" in value or "{%" in value else json.loads(value) and ""
        json.dumps(value, default=default)
    except (TypeError, ValueError) as error:
        return str(error)
    return ""


@rule("execute", "dag", "Write def execute(self, context): …")
def _execute(c: Dag) -> Found:
    """An operator's execute() and a sensor's poke() take the context."""
    said = set()
    for task in c.dag.tasks:
        kind = getattr(task, "operator_class", type(task))
        for name in ("execute", "poke"):
            there: Any = getattr(kind, name, None)
            method = inspect.unwrap(there)
            code = getattr(method, "__code__", None)
            if code is None or not code.co_filename.startswith(f"{c.source.dags}/") or code in said:
                continue
            said.add(code)
            try:
                inspect.signature(method).bind(None, {})
            except TypeError as error:
                here = code.co_filename == str(c.source.path)
                wrong = f"{kind.__name__}.{name}() is called with the context: {error}"
                yield problem(wrong, code.co_firstlineno if here else task, f"Write def {name}(self, context): …")
    for task in c.dag.tasks if ".defer(" in c.source.text else ():
        kind = getattr(task, "operator_class", type(task))
        own = [n for n in c.source.nodes if isinstance(n, ast.ClassDef) and n.name == kind.__name__]
        for call in [n for one in own for n in ast.walk(one) if isinstance(n, ast.Call)]:
            named = [one.value for one in call.keywords if one.arg == "method_name"]
            method = getattr(named[0], "value", "execute") if named else "execute"
            unknown = isinstance(method, str) and not hasattr(kind, method)
            if dotted(call.func) == "self.defer" and unknown and call not in said:
                said.add(call)
                wrong = f"{kind.__name__} goes on with {method}() after it has waited, which it has not"
                yield problem(wrong, call.lineno, f"Write def {method}(self, context, event=None): …")


@rule("isolated", "dag", "Import or define it inside the function, or give it as an argument")
def _isolated(c: Dag) -> Found:
    """A function that runs in another environment uses nothing of the file around it."""
    for task in c.dag.tasks:
        function, called = function_of(c, task), callable_of(task)
        if not ISOLATED.search(" ".join(kinds_of(task))) or not isinstance(function, FUNCTIONS):
            continue
        outside = {*_globals_in(called.__code__), *called.__code__.co_freevars}
        defaults = [*function.args.defaults, *filter(None, function.args.kw_defaults)]
        outside |= {n.id for one in defaults for n in ast.walk(one) if isinstance(n, ast.Name)}
        missing = {name for name in outside if not hasattr(builtins, name) and not name.startswith("__")}
        for name in sorted(missing):
            uses = [n.lineno for n in ast.walk(function) if isinstance(n, ast.Name) and n.id == name]
            wrong = f"{task.task_id} runs in an environment of its own, where {name} is not defined"
            yield problem(wrong, min(uses, default=function.lineno))
        for one in arguments_in(function):
            if one.arg in ("ti", "task_instance"):
                wrong = f"{task.task_id} runs in an environment of its own, where {one.arg} is not given"
                write = "Return the value, or give what it needs as an argument, as {{ ti.task_id }}"
                yield problem(wrong, one.lineno, write)


@rule("undefined-name", "dag", "Import or define it")
def _undefined_name(c: Dag) -> Found:
    """The names that a task's function or execute() uses are there when it runs."""
    if "NameError" in c.source.text:
        return
    said = {name for node in c.source.nodes if isinstance(node, ast.Global) for name in node.names}
    for task in c.dag.tasks:
        run = getattr(getattr(task, "operator_class", type(task)), "execute", None)
        for called in {inspect.unwrap(one) for one in (callable_of(task), run) if inspect.isfunction(one)}:
            function = c.source.functions.get(called.__code__.co_firstlineno)
            if called.__code__.co_filename != str(c.source.path) or ISOLATED.search(" ".join(kinds_of(task))):
                continue
            missing = _globals_in(called.__code__) - {*called.__globals__, *dir(builtins)}
            uses = [n for n in ast.walk(function or ast.Pass()) if isinstance(n, ast.Name) and n.id in missing - said]
            for node in sorted(uses, key=lambda node: node.lineno):
                if node.id not in said:
                    said.add(node.id)
                    yield problem(f"{task.task_id} fails when it runs: nothing defines {node.id}", node.lineno)


@rule("task-in-task", "dag", "Call it in the DAG; in a task write its .function(…)")
def _task_in_task(c: Dag) -> Found:
    """No task calls another one, which does not run by that."""
    for task in c.dag.tasks:
        for node in code_of(c, task):
            name = node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""
            if name and type(value_of(callable_of(task), name)).__name__ == "_TaskDecorator":
                yield problem(f"{task.task_id} calls {name}(), which makes a task of no DAG", node.lineno)


def value_of(function: Any, name: str) -> Any:
    """What a name in a function stands for when the file has been parsed."""
    if not inspect.isfunction(function) or name in function.__code__.co_varnames:
        return None
    return {**function.__globals__, **inspect.getclosurevars(function).nonlocals}.get(name)


@rule("outlet-event", "dag", "Add it to the outlets of the task")
def _outlet_event(c: Dag) -> Found:
    """A task tells of the assets that it has as outlets, and of no others."""
    for task in c.dag.tasks if "outlet_events" in c.source.text else ():
        outlets = listed(argument_of(task, "outlets"))
        for node in code_of(c, task):
            if isinstance(node, ast.Subscript) and dotted(node.value) == "outlet_events":
                asset = value_of(callable_of(task), dotted(node.slice))
                if type(asset).__name__ == "Asset" and asset not in outlets:
                    yield problem(f"{task.task_id} tells of {asset.name}, which is not one of its outlets", node.lineno)


def _globals_in(code: types.CodeType) -> set[str]:
    """The global names that a function reads, the functions in it included."""
    import dis

    read = {one.argval for one in dis.get_instructions(code) if one.opname in ("LOAD_GLOBAL", "LOAD_NAME")}
    bound = {one.argval for one in dis.get_instructions(code) if one.opname in ("STORE_GLOBAL", "STORE_NAME")}
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            read |= _globals_in(constant)
    return read - bound
