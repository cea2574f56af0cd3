"""Say why a DAG is not there: `make doctor`.

Looks at everything between this checkout and the cluster, in the order in which things break, and prints a
line for each: fine, broken with the command that mends it, or not to be seen from here. Changes nothing.
Exits with 1 if anything is broken. --offline leaves out the git server and the cluster (for CI).
"""

import argparse
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from tools.cluster.doctor import Finding, unknown
from tools.cluster.doctor.keys import host_keys, private_key, secrets
from tools.cluster.doctor.pods_and_secrets import cluster_state
from tools.cluster.doctor.repository import dag_files, repository
from tools.cluster.doctor.values import tools, values

MARKS = {True: "\N{CHECK MARK}", False: "\N{BALLOT X}", None: "\N{EN DASH}"}


def checks(offline: bool) -> list[Callable[[], Iterable[Finding]]]:
    """Return the checks in the order in which things break."""
    here = [partial(tools, offline), partial(values, offline), secrets, private_key, host_keys]
    return [*here, dag_files] if offline else [*here, repository, dag_files, cluster_state]


def findings(check: Callable[[], Iterable[Finding]]) -> list[Finding]:
    """Return what a check finds. One that stumbles must not hide the others."""
    found: list[Finding] = []
    try:
        found.extend(check())
    except Exception as error:
        name = getattr(check, "func", check).__name__
        found.append(unknown(f"the check '{name}' failed itself: {type(error).__name__}: {error}"))
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--offline", action="store_true", help="leave out the git server and the cluster")
    offline = parser.parse_args().offline
    sys.stdout.reconfigure(errors="replace")

    to_mend = 0
    with ThreadPoolExecutor() as pool:  # the checks mostly wait for others; their order stays
        for result in [pool.submit(findings, check) for check in checks(offline)]:
            for finding in result.result():
                print(f"{MARKS[finding.ok]} {finding.what}", flush=True)
                if finding.fix:
                    print(f"    {finding.fix}", flush=True)
                to_mend += finding.ok is False
    if to_mend:
        print(f"\nTo mend: {to_mend}, from the top. More in README.md, 'My DAG does not show up'.")
        return 1
    print("\nNothing is broken, as far as can be seen from here.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
