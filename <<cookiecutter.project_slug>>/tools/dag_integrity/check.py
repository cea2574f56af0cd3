"""Checks the whole DAG folder, or what of it has changed, and says what was found."""

from __future__ import annotations

import gc
import re
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from .assets import check_assets
from .cache import Cache, pack, unpack
from .exemptions import apply_exemptions
from .findings import Finding
from .folder import Folder, list_folder
from .folder_rules import check_dag_ids, check_hidden
from .parses import Parses
from .policy import Policy, PolicyError, read_policy
from .static import Read, ReadAside, read_files
from .workers import Death

# A file that failed to import may succeed without a change of its own: it is tried again each time.
NOT_KEPT = {"import-error", "time-limit", "process-death"}


@dataclass
class Report:
    """What a run found, sorted; `dags` has a row of plain values for each DAG."""

    findings: list[Finding] = field(default_factory=list)
    dags: list[dict] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    parsed: int = 0
    parsed_twice: int = 0


class Check:
    """One run over a repository."""

    def __init__(self, root: Path, use_cache: bool = True) -> None:
        self.root = root.resolve()
        self.policy: Policy = read_policy(self.root / "pyproject.toml")
        self.dags = self.root / self.policy.dags_folder
        if not self.dags.is_dir():
            raise PolicyError(
                f"[tool.dag-integrity] dags-folder: there is no folder {self.policy.dags_folder}."
            )
        self.state = self.root / ".airflow" / "integrity"
        self.cache = Cache(self.state / "cache.json", self.root, f"{self.policy}")
        if not use_cache:
            self.cache.entries = {}

    def run(self) -> Report:
        """Check every file that changed and report on all."""
        folder = list_folder(self.dags)
        python = chain(folder.dag_files, folder.skipped, folder.ignored)
        entries = {path: self.cache.get(path) for path in python}
        changed = [path for path in folder.dag_files if entries[path] is None]
        helpers = [path for path in (*folder.skipped, *folder.ignored) if entries[path] is None]
        for path, made_from, entry in self._check(changed, helpers):
            entries[path] = self.cache.put(path, made_from, entry)
        report = self._report(folder, entries)
        report.parsed, report.parsed_twice = len(changed), self.parses.twice
        for path, entry in entries.items():
            if NOT_KEPT.intersection(finding["rule"] for finding in entry["findings"]):
                self.cache.drop(path)
        self.cache.save(list(entries))
        return report

    def _check(self, changed: list[Path], helpers: list[Path]):
        """Check these files; yields each with what its findings depend on and its cache entry."""
        parses = self.parses = Parses(self.root, self.dags, self.policy)
        if changed:
            # Airflow and syntax trees are no garbage; the collector would look through them all the time.
            gc.disable()
            # The files are read while Airflow is imported.
            aside = ReadAside(changed, helpers, self.root, self.dags, self.policy)
            parses.load_airflow(changed, self.state)
            reads = aside.result()
            parses.run({path: reads[path] for path in changed})
        else:
            reads = read_files([], helpers, self.root, self.dags, self.policy)
        for path in helpers:
            yield path, [], pack(reads[path], reads[path].findings)
        shared = parses.read_by_modules()
        for path in changed:
            read, first = reads[path], parses.firsts[path]
            # A shared module reads its data in one file's parse, though all that import it depend on it.
            made_from = [*read.own_modules, *first.read, *(shared if read.own_modules else ())]
            late = parses.late.get(path, [])
            if isinstance(first, Death):
                findings = [*read.findings, parses.death(path, first), *late]
            else:
                findings = [*read.findings, *_not_said_by(read, first.findings), *late]
            yield path, made_from, pack(read, _without_repetitions(findings), first.dags, first.milliseconds)

    def _report(self, folder: Folder, entries: dict[Path, dict]) -> Report:
        findings: set[Finding] = set()
        comments, complete, dags = {}, set(), []
        for path, entry in entries.items():
            name = path.relative_to(self.root).as_posix()
            found, comments[name] = unpack(entry)
            findings.update(found)
            if not NOT_KEPT.intersection(finding.rule for finding in found):
                complete.add(name)
            dags += [dag | {"file": name, "milliseconds": entry["milliseconds"]} for dag in entry["dags"]]
        findings.update(check_dag_ids(dags))
        findings.update(check_assets(dags, self.policy))
        findings.update(check_hidden(folder, self.root, entries))
        left = apply_exemptions(findings, comments, self.policy, complete)
        files = [path.relative_to(self.root).as_posix() for path in folder.dag_files]
        return Report(sorted(left), sorted(dags, key=lambda dag: (dag["file"], dag["dag_id"])), files)


def _not_said_by(read: Read, findings: list[Finding]) -> list[Finding]:
    """The findings without heavy imports, if the imports that bring them in have been found already."""
    named = {finding.rule for finding in read.findings} & {"heavy-import"}
    return [finding for finding in findings if finding.rule not in named]


def _without_repetitions(findings: list[Finding]) -> list[Finding]:
    """Drop what another finding of the file says better: the cost of heavy imports, a module that moved."""
    rules = [finding.rule for finding in findings]
    seen: dict[str, Finding] = {}
    for finding in findings:
        moved = re.search(r"airflow\.[\w.]+", finding.wrong) if finding.rule == "airflow-3" else None
        if finding.rule != "import-budget" or "heavy-import" not in rules:
            seen.setdefault(moved[0] if moved else str(finding), finding)
    return sorted(seen.values())
