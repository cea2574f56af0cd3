"""ruff over all files at once, in a process of its own: Airflow 3's rules, and the image's Python syntax."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .model import Finding, PolicyError, finding
from .rules.files import REMOVED_VARIABLES
from .source import Source

# Also AIR304 where nothing is parsed. Not AIR001, AIR004 and AIR201, which are about style alone; nor AIR202, which
# speaks of each task that returns a dict: xcom-key and multiple-outputs know those where that goes wrong; nor AIR003,
# which is wrong about functions that tasks call: forbidden-at-import knows what runs when the file is parsed.
SELECT = "AIR002,AIR301,AIR302,AIR303,AIR311,AIR312,AIR321,B023"
CURES = {
    "days_ago": 'Write a fixed date, as pendulum.datetime(2026, 1, 1, tz="UTC")',
    "provide_context": "Take provide_context out: every callable gets the context",
    "sla": "Take sla out; write deadline=DeadlineAlert(…) on the DAG",
    "sla_miss_callback": "Take it out; write deadline=DeadlineAlert(…) on the DAG",
    "default_view": "Take default_view out",
    "conf": "Write from airflow.sdk.configuration import conf",
    "external_trigger": 'Ask run_type of dag_run, "manual" where a person started it',
}


class Ruff:
    """One run of ruff, which goes on while others work."""

    def __init__(self, paths: list[Path], python: str, alone: bool = False) -> None:
        self.python, self.paths = python, paths
        if paths and importlib.util.find_spec("ruff") is None:
            raise PolicyError("ruff, by which some rules look, is not installed here: pip install ruff.")
        options = "--isolated --no-cache --quiet --exit-zero --output-format=json --preview"
        version = f"--target-version=py{python.replace('.', '')}"
        select = f"--select={SELECT}" + (",AIR304" if alone else "")  # or two parses tell it better
        self.command = [sys.executable, "-m", "ruff", "check", *options.split(), select, version]
        self.environment = dict(os.environ)
        self.process = self._start(["--", *paths]) if paths else None

    def _start(self, arguments: list[Any]) -> subprocess.Popen[str]:
        command, pipe = [*self.command, *arguments], subprocess.PIPE
        options: dict[str, Any] = {"text": True, "encoding": "utf-8", "env": self.environment}
        return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, **options)

    def _entries(self, paths: list[Path], process: subprocess.Popen[str]) -> Iterator[dict[str, Any]]:
        """What ruff found. Where it dies, it looks at each half, down to the file that it cannot read."""
        printed, errors = process.communicate()
        if process.returncode == 0:
            yield from json.loads(printed or "[]")
            return
        if paths == self.paths and (empty := self._start(["-"])).communicate("") and empty.returncode:
            raise PolicyError(f"ruff does not run: {' '.join(errors.split())[:200]}")
        if len(paths) == 1:
            yield {"filename": paths[0], "code": "not-checked", "message": f"exit code {process.returncode}"}
            return
        for half in (paths[: len(paths) // 2], paths[len(paths) // 2 :]):
            yield from self._entries(half, self._start(["--", *half]))

    def findings(self, reads: dict[Path, Source]) -> Iterator[Finding]:
        """Wait for ruff and yield its findings on these files, but for those that could not be read."""
        for entry in self._entries(self.paths, self.process) if self.process else ():
            source = reads[Path(entry["filename"])]
            if source.error:
                continue
            name = source.name
            if entry["code"] == "not-checked" or "anicked" in entry["message"][:10]:
                wrong = f"ruff ends at this file ({entry['message']}), and its rules were not applied"
                write = "Write it in a simpler way (a long expression as a list), or take a newer ruff"
                yield finding("not-checked", name, 1, wrong, write)
                continue
            message = entry["message"].replace("`", "").rstrip(".;")
            line = entry["location"]["row"]
            if entry["code"] in (None, "invalid-syntax"):
                wrong = f"{message} (the image runs Python {self.python})"
                yield finding("python-syntax", name, line, wrong, f"Write it in Python {self.python}'s syntax")
                continue
            if entry["code"] == "AIR002":
                yield finding("schedule-unsaid", name, line, message)
                continue
            if entry["code"] == "AIR304":
                if not message.startswith("random."):  # there may be a seed
                    yield finding("unstable", name, line, message)
                continue
            if entry["code"] == "B023":
                variable = message.rpartition(" ")[2]
                wrong = f"{variable} is looked up when the task runs: every task gets the loop's last one"
                if (line, entry["location"]["column"]) in source.used_after_loops:
                    yield finding("late-binding", name, line, wrong)
                continue
            yield from _of_airflow(entry, message, source)


def _of_airflow(entry: dict[str, Any], message: str, source: Source) -> Iterator[Finding]:
    """What Airflow 3 has no longer, and what ruff knows to write instead."""
    line, what = entry["location"]["row"], message.split(" ")[0]
    # Airflow itself has `from airflow import DAG` among what is not deprecated.
    if {what, line} & source.either or what == "airflow.DAG":
        return
    wrong = f"{what} is gone in Airflow 3"
    if entry["code"] in ("AIR311", "AIR312", "AIR321"):
        wrong = f"{what} is deprecated in Airflow 3"
    elif entry["code"] == "AIR303":
        wrong = message
    fix = (entry.get("fix") or {}).get("message", "").replace("`", "")
    if match := re.search(r"Install (\S+?)(?:[><=]\S+)? and use (\S+) from (\S+) instead", fix):
        fix = f"Write from {match[3]} import {match[2]} (package {match[1]})"
    elif match := re.match(r"(\S+) has been moved to (\S+) since", fix):
        module = re.sub(r"airflow\.(sdk\.definitions\.param|hooks\.base)$", "airflow.sdk", match[2])
        fix = f"Write from {module} import {match[1]}"
    if new := REMOVED_VARIABLES.get(what):
        fix = f"Write {new}" if new.isidentifier() else "Make it from ds or data_interval_end"
    yield finding("airflow-3", source.name, line, wrong, CURES.get(what.split(".")[-1]) or fix)
