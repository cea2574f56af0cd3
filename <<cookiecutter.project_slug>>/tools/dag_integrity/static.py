"""Reads all files that are to be checked without importing them, while another process imports Airflow."""

from __future__ import annotations

import os
import sys
from multiprocessing.connection import Pipe
from pathlib import Path
from typing import NamedTuple

from .determinism import may_differ, used_of_airflow
from .findings import Finding
from .folder import local_module
from .policy import Policy
from .source import Comment, Outline, Source
from .source_rules import Ruff, check_source


class Read(NamedTuple):
    """What reading a file gave."""

    findings: list[Finding]
    exemptions: list[Comment]
    # The modules of the DAG folder that are imported with it, and the modules of libraries
    own_modules: list[str]
    foreign_modules: list[str]
    makes_dags: bool
    outline: Outline
    # Whether two parses may differ, and what of Airflow the file and those modules use
    may_differ: bool
    airflow_names: set[str]


def read_files(
    dag_files: list[Path], helpers: list[Path], root: Path, dags: Path, policy: Policy
) -> dict[Path, Read]:
    """Apply the import-free rules: to DAG files all, to helper modules only what holds for any file."""
    ruff = Ruff([*dag_files, *helpers], root, policy) if dag_files or helpers else None
    sources = {path: Source(path) for path in [*dag_files, *helpers]}
    own_names = {path.name.removesuffix(".py") for path in dags.iterdir()}
    results = {}
    for path in [*dag_files, *helpers]:
        source = sources[path]
        name = path.relative_to(root).as_posix()
        findings = check_source(source, name, policy)
        if path in helpers:
            findings = [finding for finding in findings if finding.rule in ("secret", "import-error")]
        own, foreign = _imported(source, sources, dags) if path not in helpers else (set(), set())
        for module in own:
            module_name = module.relative_to(root).as_posix()
            findings += [
                finding
                for finding in check_source(sources[module], module_name, policy)
                if finding.rule in ("clock-at-import", "forbidden-at-import", "heavy-import")
            ]
        used = [source, *(sources[module] for module in own)]
        results[path] = Read(
            findings,
            source.exemptions,
            sorted(map(str, own)),
            sorted(foreign),
            bool(source.dag_calls),
            source.outline,
            any(may_differ(module, module is source, own_names) for module in used),
            set().union(*map(used_of_airflow, used)),
        )
    for finding in ruff.findings() if ruff else ():
        found = results[root / finding.file].findings
        if not any(other.rule == "import-error" for other in found):
            found.append(finding)
    return results


def _imported(source: Source, sources: dict[Path, Source], dags: Path) -> tuple[set[Path], set[str]]:
    """The DAG folder's modules that parsing the file imports, directly or not, and the libraries' modules."""
    own: set[Path] = set()
    foreign: set[str] = set()
    pending = [source]
    while pending:
        for module, _ in pending.pop().imports:
            parts = module.split(".")
            if parts[0] in sys.stdlib_module_names or parts[0] == "airflow":
                continue
            chain = [local_module(dags, ".".join(parts[: i + 1])) for i in range(len(parts))]
            if chain[0] is None:
                foreign.add(module)
            for path in filter(None, chain):
                if path not in own:
                    own.add(path)
                    pending.append(sources.setdefault(path, Source(path)))
    return own, foreign


class ReadAside:
    """`read_files` in a forked process: start it, import Airflow, then take the result."""

    def __init__(self, *arguments) -> None:
        self.connection, theirs = Pipe(duplex=False)
        sys.stdout.flush()
        self.pid = os.fork()
        if self.pid == 0:
            code = 1
            try:
                theirs.send(read_files(*arguments))
                code = 0
            except BaseException:
                sys.excepthook(*sys.exc_info())
            finally:
                sys.stderr.flush()
                os._exit(code)
        theirs.close()

    def result(self) -> dict[Path, Read]:
        try:
            return self.connection.recv()
        finally:
            os.waitpid(self.pid, 0)
