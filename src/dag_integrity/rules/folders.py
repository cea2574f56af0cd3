"""The rules about all files together: a rule's function gets a `Folder`."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable
from graphlib import CycleError, TopologicalSorter
from typing import Any

from ..discovery import Folder
from ..image import distributions, image_packages
from ..model import Found, problem, rule, some

# What follows the host in the URIs of assets that some providers check
URIS = {
    "mysql": ("mysql", "database/table"),
    "mariadb": ("mysql", "database/table"),
    "postgres": ("postgres", "database/schema/table"),
    "postgresql": ("postgres", "database/schema/table"),
    "trino": ("trino", "catalog/schema/table"),
}


def _matches(values: Iterable[Any], patterns: list[str]) -> bool:
    return any(fnmatch.fnmatchcase(value, pattern) for pattern in patterns for value in values if value)


@rule("duplicate-dag-id", "folder", "Give each DAG its own dag_id")
def _duplicates(folder: Folder) -> Found:
    """No two DAGs have the same dag_id."""
    first: dict[str, dict[str, Any]] = {}
    for dag in folder.facts:
        other = first.setdefault(dag["dag_id"], dag)
        if other["file"] != dag["file"]:
            wrong = f"dag_id {dag['dag_id']} is also that of {other['file']}:{other['line']}"
            yield problem(wrong, dag["line"], file=dag["file"])


@rule("hidden-dag", "folder", "Narrow the pattern in .airflowignore, or move the file")
def _hidden(folder: Folder) -> Found:
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


@rule(
    "no-dag", "folder", "Add it to .airflowignore; if it makes DAGs, write airflow and dag in a comment",
    severity="warning",
)  # fmt: skip
def _no_dag(folder: Folder) -> Found:
    """Every file that Airflow parses has a DAG; .airflowignore lists helper modules."""
    for path in folder.skipped if folder.policy.stated else ():  # such a file costs Airflow little
        if not folder.reads[path].dag_calls and path.name != "__init__.py":
            wrong = "This file is no DAG file, and Airflow looks into it again and again"
            yield problem(wrong, 1, file=folder.name(path))


@rule(
    "asset", "folder",
    "Write outlets=[…] on the task that makes it, or add it to external-assets in pyproject.toml",
)  # fmt: skip
def _asset(folder: Folder) -> Found:
    """Every consumed asset is produced by a DAG or declared external."""
    for dag, asset, producers in folder.consumed:
        external = _matches((asset["name"], asset["uri"]), folder.policy.external_assets)
        name = asset["name"] or asset["uri"]
        if not (producers or external or asset["watched"] or folder.may_have(name)):
            wrong = f"DAG {dag['dag_id']} waits for asset {name}, which no DAG produces"
            write = "Write the assets one by one: in a URI * means itself" if "*" in name else ""
            yield problem(wrong, dag["line"], write, dag["file"])


@rule("asset-argument", "folder", "Write the name of an asset, or of a key of the context")
def _asset_argument(folder: Folder) -> Found:
    """The arguments of a function under @asset are assets, or of the context."""
    assets = [one for dag in folder.facts for one in [*dag["consumes"], *dag["produces"], *dag["inlets"]]]
    known = {asset["name"] for asset in assets if asset["uri"]}
    for dag in [dag for dag in folder.facts if dag["by_asset"]]:
        for name in sorted({one["name"] for one in dag["inlets"] if one["name"] and not one["uri"]} - known):
            if not (_matches((name,), folder.policy.external_assets) or folder.may_have(name)):
                wrong = f"{dag['dag_id']} takes {name}, which no DAG has as an asset"
                yield problem(wrong, dag["line"], file=dag["file"])


@rule("partitioned-asset", "folder", "Write schedule=PartitionedAssetTimetable(assets=…)")
def _partitioned(folder: Folder) -> Found:
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
def _asset_cycle(folder: Folder) -> Found:
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
def _asset_name(folder: Folder) -> Found:
    """An asset's name has one URI, and a URI one name."""
    first: dict[tuple[str, str], tuple[str, dict[str, Any]]] = {}
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
def _asset_uri(folder: Folder) -> Found:
    """The URIs of assets are such as the providers of the image take: or Airflow refuses the DAG."""
    image, said = image_packages(folder.root, folder.policy), set()
    for dag in folder.facts:
        for asset in [*dag["consumes"], *dag["produces"], *dag["inlets"]]:
            scheme, _, rest = (asset["uri"] or "").partition("://")
            package, parts = URIS.get(scheme, ("", ""))
            host, *path = rest.split("?")[0].rstrip("/").split("/")
            unfit = not host or len(path) != parts.count("/") + 1
            if f"apache-airflow-providers-{package}" in image and unfit and asset["uri"] not in said:
                said.add(asset["uri"])
                wrong = f"The image's {package} provider refuses asset {asset['uri']}"
                write = f"Write {scheme}://host/{parts}"
                yield problem(wrong, dag["line"], write, dag["file"])


@rule("unknown-dag", "folder", "Correct the name, or add the DAG to external-dags in pyproject.toml")
def _unknown_dag(folder: Folder) -> Found:
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
def _image_import(folder: Folder) -> Found:
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
