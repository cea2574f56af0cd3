"""What a DAG consumes and produces, and the rules about it that need all DAGs."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator

from .findings import Finding, some
from .policy import Policy
from .source import Outline


def asset_facts(dag, outline: Outline) -> dict:
    """Schedule, consumed and produced assets of a parsed DAG, as plain values."""
    from .dag_rules import is_partitioned

    condition = dag.timetable.asset_condition
    consumed = list(_assets(condition)) if condition is not None else []
    produced = [asset for task in dag.tasks for outlet in task.outlets or () for asset in _assets(outlet)]
    partitioned = is_partitioned(dag.timetable)
    return {
        "schedule": _schedule(dag.timetable, consumed, partitioned),
        "consumes": consumed,
        "produces": produced,
        "partitioned": partitioned,
        # Tasks can publish partitions of a run that has none itself
        "adds_partitions": outline.adds_partitions,
        "plain_asset_schedule": condition is not None and not partitioned,
    }


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


def _schedule(timetable, consumed: list[dict], partitioned: bool) -> str:
    """The schedule as a person would write it."""
    by_time = getattr(timetable, "timetable", timetable)
    crons = [
        t.expression for t in getattr(by_time, "timetables", [by_time]) if getattr(t, "expression", None)
    ]
    words = crons + ([str(by_time.delta)] if getattr(by_time, "delta", None) else [])
    words += [f"asset {asset['name'] or asset['uri']}" for asset in consumed]
    if not words:
        words = [
            {"NullTimetable": "-"}.get(
                type(timetable).__name__, type(timetable).__name__.removesuffix("Timetable")
            )
        ]
    return ", ".join(words) + (" (partitions)" if partitioned else "")


def _same(one: dict, other: dict) -> bool:
    return bool(
        one["alias"] == other["alias"]
        and ((one["name"] and one["name"] == other["name"]) or (one["uri"] and one["uri"] == other["uri"]))
    )


def check_assets(dags: list[dict], policy: Policy) -> Iterator[Finding]:
    """The rules asset and partitioned-asset over the facts of all DAGs (each with its `file`)."""
    for dag in dags:
        for asset in dag["consumes"]:
            name = asset["name"] or asset["uri"]
            producers = [other for other in dags if any(_same(asset, made) for made in other["produces"])]
            external = any(
                fnmatch.fnmatch(value, pattern)
                for pattern in policy.external_assets
                for value in (asset["name"], asset["uri"])
                if value
            )
            if not producers and not external and not asset["watched"]:
                wrong = f"DAG {dag['dag_id']} waits for asset {name}, which no DAG produces"
                write = "Write outlets=[…] on the task that makes it, or add it to external-assets"
                yield Finding(dag["file"], dag["line"], "asset", wrong, write, dag["dag_id"])
            if not producers:
                continue
            makers = some(other["dag_id"] for other in producers)
            if dag["plain_asset_schedule"] and all(other["partitioned"] for other in producers):
                wrong = (
                    f"Asset {name} comes in partitions (from {makers}): a plain schedule never fires on it"
                )
                write = "Write schedule=PartitionedAssetTimetable(assets=…)"
            elif dag["partitioned"] and not any(o["partitioned"] or o["adds_partitions"] for o in producers):
                wrong = f"Asset {name} has no partitions (from {makers}): this schedule never fires"
                write = f"Give {makers} a CronPartitionTimetable, or write schedule=[…] here"
            else:
                continue
            yield Finding(dag["file"], dag["line"], "partitioned-asset", wrong, write, dag["dag_id"])
