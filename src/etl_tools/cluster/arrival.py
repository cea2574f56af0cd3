"""Has a commit arrived: in the DAG processor's pod, in what it parsed, in what the API lists? For `make follow`."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import quote

from etl_tools import answers
from etl_tools.cluster.api import StuckError, connected
from etl_tools.cluster.doctor.cluster import BY_GIT_SYNC
from etl_tools.cluster.kubectl import ClusterError, in_pod
from etl_tools.cluster.pods import CHECKOUT
from etl_tools.secrets.git_server import git, git_output

# Run in the pod: the commit there, and since when (its own clock): when git-sync made the link, when the
# bundle's HEAD came to this commit.
SINCE = (
    'stat --format=%.6Y "${AIRFLOW_HOME:-/opt/airflow}/dags/repo"'
    if BY_GIT_SYNC
    else "git -C $checkout reflog --date=unix --format='%H %gd' | "
    "awk -v at=$commit '$1 != at {exit} {since = $2} END {gsub(/[^0-9]/, \"\", since); print since}'"
)
FETCHED = f"""{CHECKOUT} && test -d "$checkout" || {{ echo "the repository is not fetched yet" >&2; exit 1; }}
echo "$commit"
{SINCE}
"""
IGNORE = ".airflowignore"


@dataclass
class Commit:
    """A commit of this checkout, and what it has of DAG files; ``newest``: the one on top of it that the pod has.

    ``learn`` fetches what the git server's branch has: somebody may push on top of it at any time.
    """

    id: str
    learn: Callable[[], object] = lambda: None
    newest: str = ""
    files: dict[str, dict[str, str]] = field(default_factory=dict)

    def is_in(self, other: str) -> bool:
        """Is the commit that one, or among its ancestors?"""
        if other and git("cat-file", "-e", f"{other}^{{commit}}").returncode:
            self.learn()
        return self.id == other or (bool(other) and not git("merge-base", "--is-ancestor", self.id, other).returncode)

    def text(self, path: str) -> str:
        return git_output("show", f"{self.newest or self.id}:{path}")

    def dag_files(self) -> dict[str, str]:
        """Return path in the DAGs' folder → digest, of what Airflow takes for a DAG file."""
        commit = self.newest or self.id
        if commit not in self.files:
            self.files[commit] = self.read()
        return self.files[commit]

    def read(self) -> dict[str, str]:
        top = f"{answers.DAGS_SUBPATH}/"
        listed = git_output("ls-tree", "-r", "--name-only", self.newest or self.id, "--", top).splitlines()
        ignores = [self.ignore(path) for path in listed if path.endswith(f"/{IGNORE}")]
        found = {}
        for path in listed:
            if not path.endswith(".py") or any(is_ignored(path) for is_ignored in ignores):
                continue
            text = self.text(path)
            # Airflow's safe mode: a file without both words is none.
            if all(word in text.lower() for word in ("dag", "airflow")):
                found[path.removeprefix(top)] = digest(text)
        return found

    def ignore(self, path: str) -> Callable[[str], bool]:
        """Return what says whether an .airflowignore (its path) leaves a file out."""
        from pathspec import GitIgnoreSpec  # Airflow brings it, and reads these files by it

        folder, spec = path.removesuffix(IGNORE), GitIgnoreSpec.from_lines(self.text(path).splitlines())
        return lambda file: file.startswith(folder) and spec.match_file(file.removeprefix(folder))


@dataclass
class Pod:
    """What the DAG processor's pod has: since when, by its own clock."""

    commit: str = ""
    since: float = 0


@dataclass
class Airflow:
    """What the API said last, as far as it concerns this repository's bundle."""

    dags: list[dict[str, Any]] = field(default_factory=list)
    errors: list[dict[str, Any]] = field(default_factory=list)
    sources: dict[str, str] = field(default_factory=dict)

    def ask(self, with_sources: bool = False) -> None:
        """Ask the API again; for the sources of the DAGs that it has now, too: as digests."""
        bundle = "dags-folder" if BY_GIT_SYNC else answers.SLUG
        with connected() as api:
            dags = api.rows("/api/v2/dags", "dags", order_by="dag_id")
            errors = api.rows("/api/v2/importErrors", "import_errors", order_by="id")
            self.dags, self.errors = ([row for row in rows if row["bundle_name"] == bundle] for rows in (dags, errors))
            names = [dag["dag_id"] for dag in self.dags if with_sources]
            asked = {name: api.ask("GET", f"/api/v2/dagSources/{quote(name, safe='')}") for name in names}
        self.sources = {name: digest(answer["content"]) for name, answer in asked.items()}


def digest(text: str) -> str:
    return hashlib.sha256("\n".join(text.splitlines()).encode()).hexdigest()


def moment(text: str | None) -> float:
    return datetime.fromisoformat(text).timestamp() if text else 0


def fetched(commit: Commit, pod: Pod) -> tuple[bool, str]:
    """Has the DAG processor's pod the commit, or a newer one?"""
    pod.commit, *since = in_pod("deployment/dag-processor", FETCHED, shell="bash", timeout=60).split()
    if not since:
        raise ClusterError(f"since when the DAG processor's pod has {pod.commit[:7]} is not known yet")
    pod.since = float(since[0])
    if there := commit.is_in(pod.commit):
        commit.newest = pod.commit
    return there, f"the DAG processor's pod is at {pod.commit[:7]}"


def file_of(row: dict[str, Any]) -> str:
    """Return the path in the DAGs' folder of what the API says of a DAG or an import error."""
    path = row.get("relative_fileloc") or row.get("filename") or ""
    return path.removeprefix(f"{answers.DAGS_SUBPATH}/")


def parsed(commit: Commit, pod: Pod, airflow: Airflow) -> tuple[bool, str]:
    """Has every DAG file been parsed since the pod has the commit? StuckError at an import error of it."""
    airflow.ask()
    files = commit.dag_files()
    if not files:
        raise StuckError(f"commit {(commit.newest or commit.id)[:7]} has no DAG file in {answers.DAGS_SUBPATH}/")
    versions = {dag["bundle_version"] or "" for dag in airflow.dags}
    with_it = {version for version in versions if commit.is_in(version)}

    def is_new(dag: dict[str, Any]) -> bool:
        if not BY_GIT_SYNC:
            return dag["bundle_version"] in with_it
        # Read when the parsing began, noted when it ended.
        return moment(dag["last_parsed_time"]) - (dag["last_parse_duration"] or 0) >= pod.since

    new = {file_of(dag) for dag in airflow.dags if is_new(dag)}
    old = {file_of(dag) for dag in airflow.dags if not is_new(dag)}
    failed = [error for error in airflow.errors if moment(error["timestamp"]) >= pod.since]
    if failed:
        first = failed[0]
        last = (first["stack_trace"].strip().splitlines() or ["?"])[-1]
        raise StuckError(f"Airflow cannot import {file_of(first)}: {last}")
    waiting = sorted((files.keys() - new) | (old & files.keys()))
    words = f"{len(files) - len(waiting)} of {len(files)} files"
    if waiting:
        words += f", not yet {', '.join(waiting[:5])} (one without a DAG never is: dags/{IGNORE} leaves it out)"
    return not waiting, words.replace("dags/", f"{answers.DAGS_SUBPATH}/")


def listed(commit: Commit, airflow: Airflow) -> tuple[bool, str]:
    """Does the API list the DAGs of these files with the commit's source, and none whose file has gone?"""
    files = commit.dag_files()
    airflow.ask(with_sources=True)
    gone = [dag["dag_id"] for dag in airflow.dags if file_of(dag) not in files]
    other = [dag["dag_id"] for dag in airflow.dags if airflow.sources.get(dag["dag_id"]) != files.get(file_of(dag))]
    if gone:
        return False, f"it still has {', '.join(gone)}, whose file has gone"
    if other:
        return False, f"it has another source of {', '.join(other)}"
    names = sorted(dag["dag_id"] for dag in airflow.dags)
    return bool(names), ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")
