"""Follow a push into Airflow, hop by hop: `make follow`, after `git push`.

The git server has the commit · the DAG processor's pod has it · every DAG file is parsed from it · the API lists the
DAGs with its source. Each hop is printed with its seconds, its budget (what the values allow it to take) and, where
it does not arrive, doctor's reason. TIMEOUT (minutes) is how long one hop is waited for; otherwise
twice its budget and half a minute, where a setting says its budget. Changes nothing.
"""

import os
import re
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain
from typing import Any, NamedTuple

from etl_tools import answers
from etl_tools.cluster.api import StuckError
from etl_tools.cluster.arrival import Airflow, Commit, Pod, fetched, listed, parsed
from etl_tools.cluster.doctor import Finding
from etl_tools.cluster.doctor.cluster import BY_GIT_SYNC, import_errors, looked, pod_problems
from etl_tools.cluster.doctor.repository import explained, unpushed
from etl_tools.cluster.helm_values import merged, paths
from etl_tools.cluster.kubectl import ClusterError, show_cluster
from etl_tools.cluster.pods import pods
from etl_tools.secrets import github_app
from etl_tools.secrets.git_server import KEY, ask_server, git, git_output

# Airflow's own, where the values say nothing.
DEFAULTS = {
    "dags.gitSync.period": "5s",
    "dagProcessor.dagBundleConfigList.0.kwargs.refresh_interval": 300,
    "config.dag_processor.refresh_interval": 300,
    "config.dag_processor.min_file_process_interval": 30,
}
UNITS = {"h": 3600, "m": 60, "s": 1, "ms": 0.001}
# What is asked at once has no setting: seconds for the question itself.
AT_ONCE = 10


class Hop(NamedTuple):
    """A hop: what has to be so, the seconds that it may take, the settings that say so, and who knows why not.

    ``look`` returns whether it is so, and the words that say what is there instead, or what is.
    """

    name: str
    budget: float
    settings: str
    look: Callable[[], tuple[bool, str]]
    reasons: Callable[[], Iterator[Finding]]


def seconds(duration: object) -> float:
    """Return seconds of a number or of a duration as git-sync takes it, such as 1m30s."""
    parts = re.findall(r"([\d.]+)(ms|h|m|s)", str(duration))
    return sum(float(number) * UNITS[unit] for number, unit in parts) if parts else float(str(duration))


def budget(*names: str) -> tuple[float, str]:
    """Return the seconds that these settings add up to, and how they are called."""
    values = dict(paths(merged()))
    return sum(seconds(values.get(name) or DEFAULTS[name]) for name in names), " + ".join(names)


def followed() -> tuple[str, str]:
    """Return the commit that is followed, and why that one: HEAD, or what the environment's branch has."""
    here = git_output("symbolic-ref", "--quiet", "--short", "HEAD", none=1).strip()
    head = git_output("rev-parse", "--verify", "--quiet", "HEAD", none=1).strip()
    if here == answers.GIT_BRANCH and head:
        return head, "the newest one here"
    commit, problem = on_server()
    if not commit:
        raise ClusterError(f"{problem or f'the repository has no branch {answers.GIT_BRANCH}'}. More: make doctor")
    return commit, f"what {answers.GIT_BRANCH} has on the git server; you are on {here or 'no branch'}"


def as_pods() -> Callable[..., Any]:
    """Return git as a pod has it, if what a pod has is here; otherwise the one of whoever is at the keyboard."""
    lacking = github_app.missing() or (answers.SSH and not KEY.exists())
    lacking = lacking or (answers.GIT_ACCESS == "https-token" and not os.environ.get("GIT_TOKEN"))
    return git if lacking else ask_server


def on_server() -> tuple[str, str]:
    """Return the commit that the branch, or tag, has on the git server, and what is wrong if there is no answer."""
    names = (
        f"refs/heads/{answers.GIT_BRANCH}",
        f"refs/tags/{answers.GIT_BRANCH}^{{}}",
        f"refs/tags/{answers.GIT_BRANCH}",
    )
    ended = as_pods()("ls-remote", answers.GIT_REPO, *names, timeout=20)
    if ended.returncode:
        return "", "; ".join(explained(ended.stderr))
    there = dict(reversed(line.split("\t")) for line in ended.stdout.splitlines())
    return next((there[name] for name in names if name in there), ""), ""


def learn() -> None:
    """Fetch what somebody pushed on top of it; no branch is moved here."""
    fetch = ("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", answers.GIT_REPO, answers.GIT_BRANCH)
    as_pods()(*fetch, folder=answers.ROOT, timeout=60)


def pushed(commit: Commit) -> tuple[bool, str]:
    """Has the git server the commit, on the branch that the cluster follows?"""
    found, problem = on_server()
    if problem:
        raise ClusterError(problem)
    words = f"branch {answers.GIT_BRANCH} on the git server is at {found[:7] or 'nothing'}"
    return commit.is_in(found), words


def not_pushed(commit: Commit) -> Iterator[Finding]:
    """Yield why the server has not got it: what doctor says of commits that are not pushed."""
    yield from unpushed(on_server()[0] or commit.id)


def of_pods() -> Iterator[Finding]:
    yield from looked("the pods", pod_problems, pods())


def of_files() -> Iterator[Finding]:
    yield from chain(of_pods(), looked("import errors", import_errors))


def hops(commit: Commit) -> list[Hop]:
    """Return the hops in order; each knows what those before it have found."""
    pod, airflow = Pod(), Airflow()
    refresh, minimum = (f"config.dag_processor.{name}" for name in ("refresh_interval", "min_file_process_interval"))
    fetch: tuple[str, ...]
    parse: tuple[str, ...]
    if BY_GIT_SYNC:
        who, fetch, parse = "git-sync", ("dags.gitSync.period",), (refresh, minimum)
    else:
        who, parse = "GitDagBundle", (minimum,)
        fetch = ("dagProcessor.dagBundleConfigList.0.kwargs.refresh_interval",)
    return [
        Hop("the git server has it", AT_ONCE, "", partial(pushed, commit), partial(not_pushed, commit)),
        Hop(f"{who} has it", *budget(*fetch), partial(fetched, commit, pod), of_pods),
        Hop("every DAG file is parsed", *budget(*parse), partial(parsed, commit, pod, airflow), of_files),
        Hop("the API lists it", AT_ONCE, "", partial(listed, commit, airflow), of_pods),
    ]


def patience(hop: Hop) -> float:
    given = os.environ.get("TIMEOUT")
    usual = 2 * hop.budget + 30 if hop.settings else hop.budget
    return float(given) * 60 if given else usual


def arrives(hop: Hop) -> bool:
    """Wait for a hop and print its line; where it hangs, the reason, too."""
    began, limit = time.monotonic(), patience(hop)
    while True:
        try:
            there, words = hop.look()
        except StuckError as problem:
            there, words, limit = False, str(problem), 0
        except (ClusterError, ValueError) as problem:
            there, words = False, str(problem)
        took = time.monotonic() - began
        if there or took > limit:
            break
        time.sleep(min(2, hop.budget / 10))
    mark = "\N{CHECK MARK}" if there else "\N{BALLOT X}"
    of = f"{hop.settings}, " if hop.settings else ""
    print(f"{mark} {took:6.1f} s  {hop.name}: {words} (budget: {of}{hop.budget:g} s)", flush=True)
    if not there:
        found = [finding for finding in hop.reasons() if finding.ok is False]
        for finding in found:
            print(f"    {finding.what}\n    {finding.fix}", flush=True)
        if not found:
            print("    doctor sees no reason here: make doctor looks at everything", flush=True)
    return there


def follow() -> None:
    """Print each hop; ClusterError at the first that does not arrive."""
    name, why = followed()
    commit = Commit(name, learn)
    show_cluster()
    print(f"Commit {name[:7]}, {why}")
    began = time.monotonic()
    for number, hop in enumerate(hops(commit), 1):
        if not arrives(hop):
            raise ClusterError(f"it hangs at hop {number} of 4, {hop.name!r}: the reason is above")
    print(f"It has arrived, {time.monotonic() - began:.0f} s after make follow began.")
