"""The rules about all files together: a rule's function gets a `Folder`."""

from __future__ import annotations

import fnmatch
import importlib.metadata
import importlib.util
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache, cached_property
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from . import PolicyError, problem, rule, some
from .dag_rules import argument_of, cron_of

READ = (".py", ".zip", ".airflowignore")
# What follows the host in the URIs of assets that some providers check
URIS = {
    "mysql": ("mysql", "database/table"),
    "mariadb": ("mysql", "database/table"),
    "postgres": ("postgres", "database/schema/table"),
    "postgresql": ("postgres", "database/schema/table"),
    "trino": ("trino", "catalog/schema/table"),
}
NO_AIRFLOW = "install Apache Airflow 3.3 in this environment, or use --static"
STOCK_IMAGE = Path(__file__).with_name("stock_image.txt")
# Modules of Python that the Python of this process may lack
NEW_STDLIB = {"tomllib", "annotationlib", "compression"}

# A name of an asset or a DAG that is no text: Asset(f"raw_{shop}"), dag_id=name
COMPUTED = re.compile(r"""(\b(Asset|Dataset|DAG)\(|\b(dag_id|uri)=)\s*(f["']|[a-z_][\w.]*\s*[,)])""")


@dataclass
class Folder:
    """A DAG folder: files that Airflow parses, other Python files (skipped, ignored), archives, bad links."""

    dags: Path
    dag_files: list[Path] = field(default_factory=list)
    skipped: list[Path] = field(default_factory=list)
    ignored: list[Path] = field(default_factory=list)
    archives: list[Path] = field(default_factory=list)
    links: dict[Path, str] = field(default_factory=dict)

    @property
    def others(self) -> list[Path]:
        return [*self.skipped, *self.ignored]

    def complete(self, root: Path, policy, facts: list[dict], reads: dict, unfinished: set[str]) -> None:
        """Add what is known when all files are read and parsed: the facts of each DAG with its `file`.

        `unfinished` are the files that could not be parsed; what others name may be in them.
        """
        self.root, self.policy, self.facts, self.reads = root, policy, facts, reads
        self.unread = [(root / file).read_text(encoding="utf-8", errors="replace") for file in unfinished]

    @cached_property
    def consumed(self) -> list[tuple[dict, dict, list[dict]]]:
        """Each asset that a DAG waits for: the DAG's facts, the asset, the facts of the DAGs that make it."""
        makers: dict[tuple, list[dict]] = {}
        for dag in self.facts:
            for key in dict.fromkeys(key for asset in dag["produces"] for key in _keys(asset)):
                makers.setdefault(key, []).append(dag)
        return [
            (dag, asset, list({id(o): o for key in _keys(asset) for o in makers.get(key, ())}.values()))
            for dag in self.facts
            for asset in dag["consumes"]
        ]

    def may_have(self, name: str) -> bool:
        """Whether a file that could not be parsed has this name in it, or computes such names."""
        texts = (f'"{name}"', f"'{name}'")
        return any(COMPUTED.search(one) or any(text in one for text in texts) for one in self.unread)

    def name(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()


def list_folder(dags: Path) -> Folder:
    """The files of the folder as Airflow sees them: .airflowignore, then its search for two words."""
    folder = Folder(dags)
    everything: set[Path] = set()
    for place, folders, names in os.walk(dags, followlinks=True):
        for name in [*folders, *names]:
            path = Path(place, name)
            if path.is_symlink() and not path.exists():
                folder.links[path] = "The link points to nothing"
            elif path.is_symlink() and path.is_dir() and Path(place).resolve().is_relative_to(path.resolve()):
                why = "The link leads back to its own folder: Airflow refuses the whole DAG folder"
                folder.links[path] = why
                folders.remove(name)
            elif name in names and name.endswith(READ) and not _is_readable(path):
                folder.links[path] = "This is no file that can be read: whoever tries may wait without end"
            elif name in names and name.endswith(".py") and "__pycache__" not in place:
                everything.add(path)
    try:
        unreadable = any(path.name == ".airflowignore" for path in folder.links)
        found = sorted(everything if unreadable else map(Path, _find_paths(dags)))
    except RuntimeError:  # such a link
        found = sorted(everything)
    visible = [path for path in found if path.suffix == ".py" and path in everything]
    folder.dag_files = [path for path in visible if _might_contain_dag(path)]
    folder.skipped = sorted(set(visible) - set(folder.dag_files))
    folder.ignored = sorted(everything - set(visible))
    folder.archives = [path for path in found if path.suffix == ".zip" and path not in folder.links]
    return folder


def _is_readable(path: Path) -> bool:
    return path.is_file() and os.access(path, os.R_OK)


def _find_paths(dags: Path) -> Iterator[str]:
    """Airflow's own lister, loaded by itself where that is possible: all of Airflow takes seconds."""
    spec = importlib.util.find_spec("airflow")
    path = Path(spec.submodule_search_locations[0]) if spec else Path()
    path = path / "_shared" / "module_loading" / "file_discovery.py"
    if not path.is_file():
        try:
            from airflow.utils.file import find_path_from_directory
        except ImportError as error:
            raise PolicyError(f"{error}: {NO_AIRFLOW}.") from None
        return find_path_from_directory(str(dags), ".airflowignore", "glob")
    spec = importlib.util.spec_from_file_location("_dag_file_discovery", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.find_path_from_directory(dags, ".airflowignore", "glob")


def _might_contain_dag(path: Path) -> bool:
    """Airflow's heuristic with `[core] dag_discovery_safe_mode` on, its default."""
    text = path.read_bytes().lower()
    return b"airflow" in text and (b"dag" in text or b"asset" in text)


def facts(c) -> dict:
    """Of a parsed DAG (a `Dag`) what the rules here and the table need, as plain values."""
    dag, condition = c.dag, c.dag.timetable.asset_condition
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
        "names_dags": named,
        "partitioned": c.partitioned,
        # Tasks can publish partitions of a run that has none itself
        "adds_partitions": "add_partitions" in c.source.text,
        "plain": condition is not None and not c.partitioned,
    }


def _sensors(c) -> Iterator[tuple]:
    """The sensors that wait for another DAG's run of a date, with the seconds between the two dates."""
    for task in c.dag.tasks:
        kinds = {kind.__name__ for kind in getattr(task, "operator_class", type(task)).__mro__}
        delta, dag_id = argument_of(task, "execution_delta"), argument_of(task, "external_dag_id")
        by_function = argument_of(task, "execution_date_fn")
        if "ExternalTaskSensor" in kinds and isinstance(dag_id, str) and not by_function:
            yield c.line(task), task.task_id, dag_id, delta.total_seconds() if delta else 0


def _assets(asset) -> Iterator[dict]:
    """The assets, aliases and references in an asset or a condition of assets."""
    kind = type(asset).__name__
    if hasattr(asset, "objects"):
        for part in asset.objects:
            yield from _assets(part)
    elif kind in ("AssetAlias", "AssetNameRef", "AssetUriRef") or hasattr(asset, "uri"):
        yield {
            "name": getattr(asset, "name", None),
            "uri": getattr(asset, "uri", None),
            "alias": kind == "AssetAlias",
            "watched": bool(getattr(asset, "watchers", None)),
        }


def _schedule(c, consumed: list[dict]) -> str:
    """The schedule as a person would write it."""
    timetables = getattr(c.timetable, "timetables", [c.timetable])
    words = [t.expression for t in timetables if getattr(t, "expression", None)]
    words += [str(c.timetable.delta)] if getattr(c.timetable, "delta", None) else []
    words += [f"asset {asset['name'] or asset['uri']}" for asset in consumed]
    kind = type(c.dag.timetable).__name__.removesuffix("Timetable")
    said = ", ".join(words) or ("-" if kind == "Null" else kind)
    return f"{said} (partitions)" if c.partitioned else said


def _keys(asset: dict) -> list[tuple]:
    """What an asset is known by; two are the same that share one of these."""
    return [(asset["alias"], key, asset[key]) for key in ("name", "uri") if asset[key]]


def _matches(values, patterns: list[str]) -> bool:
    return any(fnmatch.fnmatchcase(value, pattern) for pattern in patterns for value in values if value)


@rule("duplicate-dag-id", "folder", "Give each DAG its own dag_id")
def _duplicates(folder: Folder):
    """No two DAGs have the same dag_id."""
    first: dict[str, dict] = {}
    for dag in folder.facts:
        other = first.setdefault(dag["dag_id"], dag)
        if other["file"] != dag["file"]:
            wrong = f"dag_id {dag['dag_id']} is also that of {other['file']}:{other['line']}"
            yield problem(wrong, dag["line"], file=dag["file"])


@rule("hidden-dag", "folder", "Narrow the pattern in .airflowignore, or move the file")
def _hidden(folder: Folder):
    """No DAG file is hidden by .airflowignore, Airflow's heuristic, a link or a zip."""
    for path, wrong in folder.links.items():
        yield problem(wrong, 1, "Remove it", folder.name(path))
    for path in folder.archives:
        wrong = "Airflow looks for DAGs in this archive, and these checks cannot"
        write = "Put the archive's files into the folder, or list it in .airflowignore"
        yield problem(wrong, 1, write, folder.name(path))
    for path in folder.others:
        if folder.reads[path].dag_calls:
            wrong, write = "The file makes a DAG, and .airflowignore hides it from Airflow", ""
            if path in folder.skipped:
                wrong = "Airflow skips this file: the words airflow and dag are not both in it"
                write = "Write from airflow.sdk import DAG"
            yield problem(wrong, 1, write, folder.name(path))


@rule("no-dag", "folder", "Add it to .airflowignore; if it makes DAGs, write airflow and dag in a comment")
def _no_dag(folder: Folder):
    """Every file that Airflow parses has a DAG; .airflowignore lists helper modules."""
    for path in folder.skipped if folder.policy.stated else ():  # such a file costs Airflow little
        if not folder.reads[path].dag_calls and path.name != "__init__.py":
            wrong = "This file is no DAG file, and Airflow looks into it again and again"
            yield problem(wrong, 1, file=folder.name(path))


@rule(
    "asset", "folder",
    "Write outlets=[…] on the task that makes it, or add it to external-assets in pyproject.toml",
)  # fmt: skip
def _asset(folder: Folder):
    """Every consumed asset is produced by a DAG or declared external."""
    for dag, asset, producers in folder.consumed:
        external = _matches((asset["name"], asset["uri"]), folder.policy.external_assets)
        name = asset["name"] or asset["uri"]
        if not (producers or external or asset["watched"] or folder.may_have(name)):
            wrong = f"DAG {dag['dag_id']} waits for asset {name}, which no DAG produces"
            write = "Write the assets one by one: in a URI * means itself" if "*" in name else ""
            yield problem(wrong, dag["line"], write, dag["file"])


@rule("partitioned-asset", "folder", "Write schedule=PartitionedAssetTimetable(assets=…)")
def _partitioned(folder: Folder):
    """A partitioned asset has consumers with a partitioned schedule."""
    for dag, asset, producers in folder.consumed:
        name, makers = asset["name"] or asset["uri"], some(other["dag_id"] for other in producers)
        if producers and dag["plain"] and all(other["partitioned"] for other in producers):
            wrong = f"Asset {name} comes in partitions (from {makers}): a plain schedule never fires on it"
            yield problem(wrong, dag["line"], file=dag["file"])
        # Any other DAG refuses a partition key from whoever starts it.
        given = any(other["partitioned"] or other["adds_partitions"] for other in producers)
        if producers and dag["partitioned"] and not given:
            wrong = f"Asset {name} has no partitions (from {makers}): this schedule never fires"
            write = f"Give {makers} PartitionedAtRuntime() or a CronPartitionTimetable, or write schedule=[…]"
            yield problem(wrong, dag["line"], write, dag["file"])


@rule("asset-cycle", "folder", "Take one of these assets out of a schedule or out of outlets")
def _asset_cycle(folder: Folder):
    """No DAG starts itself by way of its assets."""
    before: dict[str, set[str]] = {}
    for dag, _, producers in folder.consumed:
        before.setdefault(dag["dag_id"], set()).update(producer["dag_id"] for producer in producers)
    while True:
        try:
            return TopologicalSorter(before).prepare()
        except CycleError as error:
            circle = set(error.args[1])
        dag = next(dag for dag in folder.facts if dag["dag_id"] in circle)
        wrong = f"Assets start DAGs in a circle: {some(sorted(circle))}"
        yield problem(wrong, dag["line"], file=dag["file"])
        before = {dag_id: names - circle for dag_id, names in before.items() if dag_id not in circle}


@rule("asset-name", "folder", "Define the asset once, in a module that both import")
def _asset_name(folder: Folder):
    """An asset's name has one URI, and a URI one name."""
    first: dict[tuple[str, str], tuple[str, dict]] = {}
    said: set[tuple[str, str]] = set()
    for dag in folder.facts:
        for asset in [*dag["consumes"], *dag["produces"], *dag["inlets"]]:
            if not asset["name"] or not asset["uri"] or asset["alias"]:
                continue
            for key, value in (("name", asset["uri"]), ("uri", asset["name"])):
                other, where = first.setdefault((key, asset[key]), (value, dag))
                if other != value and (dag["file"], asset["uri"]) not in said:
                    said.add((dag["file"], asset["uri"]))
                    kind = "URI" if key == "name" else "name"
                    wrong = f"Asset {asset[key]} has {kind} {value} here and {other} in {where['file']}"
                    yield problem(wrong, dag["line"], file=dag["file"])


@rule("asset-uri", "folder", "Write it as the provider in the image asks, or take x-… as its scheme")
def _asset_uri(folder: Folder):
    """The URIs of assets are such as the providers of the image take: or Airflow refuses the DAG."""
    image, said = image_packages(folder.root, folder.policy), set()
    for dag in folder.facts:
        for asset in [*dag["consumes"], *dag["produces"], *dag["inlets"]]:
            scheme, _, rest = (asset["uri"] or "").partition("://")
            package, parts = URIS.get(scheme, ("", ""))
            host, *path = rest.split("?")[0].rstrip("/").split("/")
            wrong = not host or len(path) != parts.count("/") + 1
            if f"apache-airflow-providers-{package}" in image and wrong and asset["uri"] not in said:
                said.add(asset["uri"])
                wrong = f"The image's {package} provider refuses asset {asset['uri']}"
                write = f"Write {scheme}://host/{parts}"
                yield problem(wrong, dag["line"], write, dag["file"])


@rule("unknown-dag", "folder", "Correct the name, or add the DAG to external-dags in pyproject.toml")
def _unknown_dag(folder: Folder):
    """TriggerDagRunOperator and ExternalTaskSensor name what is there."""
    known = {dag["dag_id"]: dag["task_ids"] for dag in folder.facts}
    for dag in folder.facts:
        for line, task_id, dag_id, task_ids in dag["names_dags"]:
            if _matches([dag_id], folder.policy.external_dags):
                continue
            if dag_id not in known and not folder.may_have(dag_id):
                yield problem(f"{task_id} names DAG {dag_id}, which is not there", line, file=dag["file"])
            for missing in sorted(set(task_ids) - set(known.get(dag_id, task_ids))):
                wrong = f"{task_id} waits for task {missing}, which DAG {dag_id} has not"
                yield problem(wrong, line, f"Use a task_id of {dag_id}", dag["file"])


@rule("image-import", "folder", "Add it to the image")
def _image_import(folder: Folder):
    """What the DAG folder imports is in the image: the stock one and what is added."""
    image = image_packages(folder.root, folder.policy)
    for path, source in folder.reads.items() if image else ():
        wanted: dict[str, tuple[str, int]] = {}
        for module, line in source.needs:
            if module.split(".")[0] in image:  # most packages are named as their module is
                continue
            names = distributions(module, folder.dags)
            if names and not names & image:
                wanted.setdefault(min(names), (module, line))
        for name, (module, line) in wanted.items():
            wrong = f"{module} is in package {name}, which the image does not have"
            write = f"Add {name} to the image and to the lock (make add), or do without it"
            yield problem(wrong, line, write, folder.name(path))


def image_packages(root: Path, policy) -> set[str]:
    """The distributions in the image, normalized; empty where that is not known."""
    lock = root / "requirements-image.lock"
    files = [path for path in (STOCK_IMAGE, lock) if path.is_file()]
    if not policy.stock_image or STOCK_IMAGE not in files:
        return set()
    lines = [line.strip() for path in files for line in path.read_text(encoding="utf-8").splitlines()]
    names = [match[0] for line in lines if (match := re.match(r"[A-Za-z0-9][\w.-]*", line))]
    return {_normal(name) for name in [*names, *policy.image_packages]}


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@cache
def distributions(module: str, dags: Path) -> set[str]:
    """The distributions that may bring this module; none for Python's, Airflow's and the folder's own."""
    top = module.split(".")[0]
    if top in sys.stdlib_module_names | NEW_STDLIB or (dags / top).exists() or (dags / f"{top}.py").exists():
        return set()
    if top == "airflow":
        return {provider(module)} if re.match(r"airflow\.providers\.\w+\.\w+", module) else set()
    return {_normal(name) for name in _installed().get(top, [top])}


def provider(module: str) -> str:
    """The distribution that brings a module of a provider."""
    parts = module.split(".")[2:]
    groups = {"apache", "atlassian", "cncf", "common", "dbt", "microsoft"}
    return "-".join(["apache-airflow-providers", *parts[: 2 if parts[0] in groups else 1]]).replace("_", "-")


@cache
def _installed() -> dict[str, list[str]]:
    return importlib.metadata.packages_distributions()
