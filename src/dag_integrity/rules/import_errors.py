"""What to write instead, for each import error that Airflow words."""

from __future__ import annotations

import contextlib
import re
import sys
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ..config import Policy
from ..cures import cure_of
from ..image import NEW_STDLIB, image_packages, provider
from ..model import RULES, Finding, finding
from ..ruff import CURES
from ..source import Source

PACKAGE = Path(__file__).parent.parent
# Names of exceptions of the sandbox, which imports Airflow
NO_VALUE, TOO_LATE = "NoValue", "TooLate"

# Part of the error's text, rule, what to write instead
BESIDE = "Write Path(__file__).parent / …: a pod's working directory is another"
IN_FULL = "Import by the full name from the DAG folder on, as from package.module import …"
GIVE_VALUE = 'Write variables = { name = "…" } or connections = { name = "uri" } in [tool.dag-integrity]'
LISTS = "Write chain([a, b], [c, d]), or cross_downstream([a, b], [c, d]) for an arrow from each to each"
OUTPUTS = 'Write result["name"] with @task(multiple_outputs=True), or .expand(…) for a loop: it is no value yet'
KNOWN = [
    ("AirflowDagCycleException", "cycle", ""),
    ("cannot unpack non-iterable", "import-error", OUTPUTS),
    ("XComArg' object is not iterable", "import-error", OUTPUTS),
    ("for >>: 'list' and 'list'", "import-error", LISTS),
    ("for <<: 'list' and 'list'", "import-error", LISTS),
    ("python_callable` param must be callable", "import-error", "Leave the () out: Airflow calls it in the task"),
    ("has already been added to the DAG", "import-error", "Give each task and each task group an id of its own"),
    ("has to be less than 250 characters", "import-error", "Write a shorter id, of at most 250 characters"),
    ("scheme 'airflow' is reserved", "import-error", "Write another scheme, as x-team://…, or only a name"),
    ("DuplicateTaskIdFound", "import-error", "Give each task of the DAG its own task_id"),
    ("AirflowTimetableInvalid", "schedule", ""),
    ("CroniterBad", "schedule", ""),
    ("required params without default values", "params", ""),
    ("ParamValidationError", "params", ""),
    ("No such file or directory: '/", "import-error", "Put the file there, or correct its name"),
    ("cannot open shared object file", "import-error", "Install that library of the system in the image"),
    ("FileNotFoundError", "import-error", BESIDE),
    ("SystemExit", "process-death", ""),
    ("relative import", "import-error", IN_FULL),
]
# What ruff does not know of
MOVED = {
    "airflow.utils.weekday": "Write from airflow.providers.standard.utils.weekday import WeekDay",
    "airflow.models.dataset": "Write from airflow.models.asset import AssetModel",
    "airflow.datasets": "Write from airflow.sdk import Asset",
    "airflow.utils.log.secrets_masker": "Write from airflow.sdk.log import mask_secret",
    "airflow.utils.dates": 'Write a fixed date, as pendulum.datetime(2026, 1, 1, tz="UTC")',
}
NEW_PYTHON = re.compile(r"from '(\w+)[\w.]*'|module '(\w+)[\w.]*' has no|No module named '(\w+)")


def explain(text: str, source: Source, root: Path, policy: Policy) -> Finding:
    """The finding for Airflow's import error `text`, a traceback or one line."""
    found = _explain(text, source, root, policy)
    if policy.is_for(RULES[found.rule]):
        return found
    return finding("import-error", found.file, found.line, found.wrong, found.write)  # Airflow 2 shows it as such


def _explain(text: str, source: Source, root: Path, policy: Policy) -> Finding:
    name, line = source.name, source.dag_line()
    # The innermost line of the DAG folder; a module that fails by being imported is the one to correct.
    for path, number, function in re.findall(r'File "([^"]+)", line (\d+), in (\S+)', text):
        if path == str(source.path) or (path.startswith(f"{source.dags}/") and function == "<module>"):
            name, line = Path(path).relative_to(root).as_posix(), int(number)
    message = " ".join(re.split(r"(?m)^  File .*\n(?: .*\n)*", text)[-1].split())
    message = re.sub(r"^(?:[a-z_]\w*\.)+(?=[A-Z])| \(/[^()]+\.py\)$", "", message)
    message = message.replace(tempfile.gettempdir(), "$AIRFLOW_HOME")
    message = message if len(message) <= 300 else f"{message[:299]}…"
    if NO_VALUE in text:
        return finding("not-checked", name, line, message.partition("NoValue: ")[2], GIVE_VALUE)
    if TOO_LATE in text:
        wrong = f"Importing the file takes longer than {policy.time_limit:g} s"
        return finding("time-limit", name, line, wrong)
    if (match := NEW_PYTHON.search(message)) and (newer := _newer_python(next(filter(None, match.groups())), policy)):
        return finding("import-error", name, line, f"{message}: {newer[0]}", newer[1])
    match = re.search(r"No module named '([\w.]+)'", message)
    own = match and source.own_module(match[1])  # also in a folder of the name airflow
    if match and (own or not match[1].startswith("airflow.") or "airflow.providers." in match[1]):
        there = [i.module for i in source.imports if i.line == line and i.module.startswith(match[1])]
        write = _missing_module(min(there, default=match[1], key=len), root, source)
        return finding("import-error", name, line, message, write)
    missing = re.fullmatch(r"KeyError: '(\w+)'", message)
    if missing and re.search(r'\bos(\.py|>)", line \d+, in __getitem__', text):
        write = f'Write os.environ.get("{missing[1]}", …), or set it: env in helm/values.yaml'
        wrong = f"{message}: the variable is not in a pod's environment"
        return finding("import-error", name, line, wrong, f"{write}, or environment in [tool.dag-integrity]")
    if "'provide_context'" in message:
        wrong = "provide_context is gone in Airflow 3"
        return finding("airflow-3", name, line, wrong, CURES["provide_context"])
    of_3 = policy.is_for(RULES["airflow-3"])
    gone = re.search(r"'(airflow\.(?!providers|sdk)[\w.]+)'", message) if of_3 else None
    places = [place for place in re.findall(r'File "([^"<]+)"', text) if PACKAGE not in Path(place).parents]
    if gone and (old := re.search(r"/(airflow/providers/\w+/\w+)", (places or [""])[-1])):
        write = f"Take a newer {provider(old[1].replace('/', '.'))}: this one is for an older Airflow"
        return finding("import-error", name, line, message, write)
    if gone:
        write = next((cure for module, cure in MOVED.items() if gone[1].startswith(module)), "")
        return finding("airflow-3", name, line, f"{gone[1]} is gone in Airflow 3: {message}", write)
    for part, rule, write in KNOWN:
        if part in text:
            return finding(rule, name, line, message, write)
    return finding("import-error", name, line, message, cure_of(message))


def _newer_python(top: str, policy: Policy) -> tuple[str, str] | None:
    """What is wrong and what to write where a module of Python's own is missing."""
    if top not in sys.stdlib_module_names and top not in NEW_STDLIB:
        return None
    here = ".".join(map(str, sys.version_info[:2]))
    write = "Correct the name, or run the checks with the image's Python if that is newer"
    if sys.version_info[:2] < tuple(map(int, policy.python.split("."))):
        write = f"Run the checks with Python {policy.python}"
    return f"not in Python {here}, which runs the checks", write


def _missing_module(module: str, root: Path, source: Source) -> str:
    top, *rest = module.split(".")
    if rest[:1] == ["providers"] and len(rest) > 1:
        package = provider(module)
        with contextlib.suppress(PackageNotFoundError):
            return f"Correct the name: {package} {version(package)} has no such module"
        return f"Add {package} {_where(package, root, source.policy)}"
    folder, dags = source.policy.dags_folder, source.dags
    own = (dags / top).exists() or (dags / f"{top}.py").exists()
    place = getattr(sys.modules.get(top), "__file__", None) or ""
    if own and place and not place.startswith(f"{dags}/"):
        return f"Rename {folder}/{top}: the installed package {top} is found first"
    if own:
        return f"Correct the name: {folder}/{top} has no such module"
    if folder.split("/")[-1] == top:
        if rest and not source.own_module(".".join(rest)) and not (root / rest[0]).exists():
            return f"Correct the name: {folder} has no {'/'.join(rest)}"
        return f"Leave {top}. out: {folder} itself is on the path, as from package.module import …"
    if (root / top).exists() or (root / f"{top}.py").exists():
        return f"Move {top} into {folder}, or add its folder to path in pyproject.toml if a pod has it there"
    package = top if not rest else f"the package of {module}"
    return f"Correct the name, or add {package} {_where(top, root, source.policy)}"


def _where(package: str, root: Path, policy: Policy) -> str:
    if package in image_packages(root, policy):
        return "to the lock, as the image has it (make add)"
    return "to the image and to the lock (make add)" if policy.stock_image else "to the image"
