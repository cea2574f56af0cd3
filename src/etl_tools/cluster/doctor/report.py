"""Say why a DAG is not there: `make doctor`.

Looks at everything between this checkout and the cluster, in the order in which things break, and prints a
line for each: fine, broken with the command that fixes it, or not to be seen from here. Changes nothing.
Exits with 1 if anything is broken. --offline leaves out the git server and the cluster; in CI the chart has
its say all the same.
"""

import io
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain

import yaml

from etl_tools import answers
from etl_tools.cluster.doctor import Finding, unknown
from etl_tools.cluster.doctor.cluster import cluster_state
from etl_tools.cluster.doctor.dags import connections, dag_files, imports
from etl_tools.cluster.doctor.keys import host_keys, private_key, secrets
from etl_tools.cluster.doctor.repository import repository
from etl_tools.cluster.doctor.values import chart, image, programs, values

MARKS = {True: "\N{CHECK MARK}", False: "\N{BALLOT X}", None: "\N{EN DASH}"}
# In the order in which things break.
OFFLINE = (programs, values, image, secrets, private_key, host_keys, dag_files)
ONLINE = (imports, chart, repository, cluster_state)


def findings(check: Callable[[], Iterator[Finding]]) -> list[Finding]:
    """Return what a check finds. One that stumbles must not hide the others."""
    found: list[Finding] = []
    try:
        found.extend(check())
    except yaml.YAMLError:
        pass  # that a values file is no YAML is a finding of its own
    except Exception as error:
        words = f"the check '{getattr(check, '__name__', check)}' failed itself: {type(error).__name__}: {error}"
        # What was not looked at is not known to be well: a deploy stops there, too.
        found.append(unknown(words, blocks=True))
    return found


def blocking() -> list[Finding]:
    """Return what would make a deploy end badly, as far as this checkout and the git server show it."""
    found = (finding for check in (*OFFLINE, repository) for finding in findings(check))
    return list(once(finding for finding in found if finding.blocks))


def once(found: Iterable[Finding]) -> Iterator[Finding]:
    """Leave out what has the same cause as a finding before it."""
    seen: dict[str, Finding] = {}
    return (one for one in found if not one.cause or seen.setdefault(one.cause, one) is one)


def annotation(finding: Finding) -> str:
    """The finding as GitHub shows it on the page of the run, where nobody has to open a log."""
    words = "\n".join(filter(None, (finding.what, finding.fix)))
    for letter, code in (("%", "%25"), ("\r", "%0D"), ("\n", "%0A")):
        words = words.replace(letter, code)
    return f"::error title=make doctor::{words}"


def main(offline: bool) -> int:
    """Print the findings as they come; return the exit code."""
    in_ci = (chart,) if os.environ.get("CI") else ()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    to_fix = unseen = 0
    with ThreadPoolExecutor() as pool:  # the checks mostly wait for others; their order stays
        checks = (*OFFLINE, *((connections, *in_ci) if offline else ONLINE))
        for finding in once(chain.from_iterable(pool.map(findings, checks))):
            print(f"{MARKS[finding.ok]} {finding.what}", flush=True)
            if finding.fix:
                print(f"    {finding.fix}", flush=True)
            if finding.ok is False and os.environ.get("GITHUB_ACTIONS") == "true":
                print(annotation(finding), flush=True)
            to_fix += finding.ok is False
            unseen += finding.ok is None
    if to_fix:
        before = f" ENV={answers.ENV} comes before each make command." if answers.ENV else ""
        print(f"\nTo fix: {to_fix}, from the top.{before} More in docs/troubleshooting.md.")
        return 1
    if unseen:
        print(f"\nNo fault was found; what could not be looked at ({MARKS[None]}): {unseen}, see above.")
        return 0
    print("\nNothing is broken, as far as can be seen from here.")
    return 0
