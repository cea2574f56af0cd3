"""The release on the cluster: `make deploy`, `make rollback`, `make undeploy`.

Reads from the environment VALUES (values files, in order), CHART_VERSION, CHART (a folder or archive in place
of the published chart) and TIMEOUT (minutes). KUBECTL and HELM say how the tools are called here.
"""

import fcntl
import json
import os
import re
import sys
import time
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta

from etl_tools import answers
from etl_tools.cluster import kubectl as tools
from etl_tools.cluster.apply_secrets import push
from etl_tools.cluster.doctor.report import blocking
from etl_tools.cluster.environments import shared
from etl_tools.cluster.helm_values import chart
from etl_tools.cluster.kubectl import WORKLOADS, ClusterError, confirm, helm, kubectl
from etl_tools.cluster.pods import Pod, pods
from etl_tools.programs import run
from etl_tools.project import advice
from etl_tools.secrets.keys import locked_secrets, write_private

DATA_VOLUME = answers.ROOT / "helm" / "data-volume.yaml"
ADDRESSES = {"port-forward": "", "nodeport": "http://ANY-NODE:30080, or "}
UI = ADDRESSES.get(answers.EXPOSE, f"{answers.EXPOSE}, or ") + "make ui-forward"
JOBS = (f"{answers.RELEASE}-run-airflow-migrations", f"{answers.RELEASE}-create-user")
# Helm counts its --timeout for each hook, and marks the release as failed when it is over; killed
# before that, it leaves the release pending. Its process gets the time of the release, of both Jobs and more.
PATIENCE = 2 + len(JOBS)
TOO_LATE = "timed out waiting for the condition|context deadline exceeded"

POLL = 2  # seconds between two looks at the pods
ISO = "2006-01-02 15:04:05-07:00"  # as Go writes a format


def minutes() -> float:
    return float(os.environ.get("TIMEOUT", "15"))


def check() -> None:
    """Refuse what cannot end well, before anything is changed; FORCE=yes overrules what doctor finds."""
    if problem := next(shared(), None):
        raise ClusterError(f"{problem}. Nothing was changed: give each its own (docs/environments.md)")
    tools.helm_version()
    found = blocking()
    for finding in found:
        print(f"\N{BALLOT X} {finding.what}\n    {finding.fix}", file=sys.stderr)
    if found and os.environ.get("FORCE") != "yes":
        words = f"nothing was changed: {found[0].what}. With that as it is: FORCE=yes make deploy"
        raise ClusterError(words)
    kubectl("auth", "can-i", "create", "deployments.apps", timeout=30)
    # Before the Jobs go that another helm may be waiting for.
    if words := pending():
        raise ClusterError(f"nothing was changed: {words}")


def is_locked() -> bool:
    """Does another make work in secrets/, as make deploy does until it ends?"""
    if not answers.SECRETS.exists():
        return False
    folder = os.open(answers.SECRETS, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # some network file systems have no locks
        return False
    finally:
        os.close(folder)
    return False


def pending() -> str:
    """Say what has begun and not ended on this release: is helm at work, or was it cut off?"""
    only = ("--filter", f"^{answers.RELEASE}$", "--output=json", f"--time-format={ISO}")
    if not (listed := json.loads(helm("list", "--pending", *only, timeout=30) or "[]")):
        return ""
    status, began = listed[0]["status"], datetime.fromisoformat(listed[0]["updated"])
    age = (datetime.now(began.tzinfo) - began).total_seconds() / 60
    cure = "make undeploy (the data stays)" if status == "pending-install" else "make rollback"
    if is_locked():
        return f"another make is at work in this checkout ({status} for {age:.0f} minutes): wait for its end"
    if age > minutes() * PATIENCE:  # no helm of make deploy lives longer
        return f"helm was cut off {age:.0f} minutes ago ({status}). Run {cure}, then make deploy again"
    until = (began + timedelta(minutes=minutes() * PATIENCE)).astimezone()
    return (
        f"helm is at work on this release for {age:.0f} minutes ({status}), from another checkout or "
        f"machine, or was cut off. Wait for its end, {until:%H:%M} at the latest; if nobody deploys: {cure}"
    )


def deploy() -> None:
    """Install or upgrade the release and wait until every pod is ready."""
    cluster = tools.show_cluster()
    check()
    if is_locked():
        print("Waiting for another make in this checkout to end ...", flush=True)
    with locked_secrets():
        push()
        write_private(tools.REMEMBERED, cluster.encode())
        if DATA_VOLUME.exists():
            print(kubectl("apply", "--filename=-", stdin=DATA_VOLUME.read_text(encoding="utf-8")), end="")
        print(f"Installing chart {os.environ.get('CHART') or os.environ['CHART_VERSION']} ...", flush=True)
        # Without --wait: the pods wait for the migration, which Helm starts only after a wait for the pods.
        roll_out("upgrade", "--install", *chart(), "--history-max=20")
        external = os.environ.get("SECRETS") == "external"
        password = f"the Secret {answers.SLUG}-admin" if external else answers.in_secrets("admin_password")
        print(advice(f"Airflow runs. User admin, password in {password}. The UI: {UI}"))


def roll_out(*arguments: str) -> None:
    """Let helm change the release, then wait until everything in it is ready."""
    # Jobs cannot be changed, only made again.
    kubectl("delete", "job", *JOBS, "--ignore-not-found", timeout=60)
    patience = f"--timeout={minutes():g}m"
    force = ["--force-conflicts"] if os.environ.get("FORCE_CONFLICTS") == "yes" else []
    seen: dict[str, str] = {}
    follow("helm", *arguments, patience, *force, seen=seen)
    follow("kubectl", "rollout", "status", *WORKLOADS, patience, seen=seen)
    # Of nothing kubectl says that it is rolled out.
    if not any(pod.ready for pod in pods()):
        raise ClusterError("helm has ended, and no pod of the release is there and ready: make doctor says why")


def follow(tool: str, *arguments: str, seen: dict[str, str]) -> None:
    """Run helm or kubectl and print what changes in the pods; ClusterError says what went wrong."""
    began = time.monotonic()
    with ThreadPoolExecutor() as pool:
        running = pool.submit(run, *tools.command(tool), *arguments, timeout=minutes() * 60 * PATIENCE)
        while not wait([running], POLL).done:
            with suppress(ClusterError):
                for pod in replaced(pods()):
                    if seen.get(pod.name, "ready") != pod.words:
                        print(f"  {time.monotonic() - began:4.0f} s  {pod.name}: {pod.words}", flush=True)
                    seen[pod.name] = pod.words
    ended = running.result()
    if not ended.returncode:
        return
    words = tools.plain_words(tool, ended.stderr)
    if ended.returncode == 124 or re.search(TOO_LATE, ended.stderr):
        last = ended.stderr.strip().splitlines()[-1].removeprefix("Error: ").removeprefix("error: ")
        words = f"not ready in {minutes():g} minutes (TIMEOUT=30 waits longer). {tool}: {last}"
    with suppress(ClusterError):
        words += "".join(f"\n  {pod.name}: {pod.words}" for pod in pods() if not pod.ready)
    raise ClusterError(f"{words}\n  More: make status (pods and volumes), make doctor")


def replaced(found: list[Pod]) -> list[Pod]:
    """Delete the pods of an older revision that the new one would wait for for ever (kubernetes#67250)."""
    names = [pod.name for pod in found if pod.stale]
    with suppress(ClusterError):  # what they wait for is shown all the same
        if names:
            kubectl("delete", "pod", *names, "--ignore-not-found", "--wait=false", timeout=30)
            return [replace(pod, words=f"{pod.words}; deleted") if pod.stale else pod for pod in found]
    return found


def rollback() -> None:
    """Go back to an earlier revision, after a yes; REVISION names one, else the last before that worked."""
    tools.show_cluster()
    print(helm("history", answers.RELEASE, "--max=10"), end="")
    print("DAGs, data and database stay as they are; a newer database may not fit an older Airflow.")
    revision = before(os.environ.get("REVISION", ""))
    if words := pending():  # a rollback ends what was cut off, and breaks what is at work
        print(f"Look first: {words}")
    confirm("yes", f"Roll back to revision {revision}?")
    roll_out("rollback", answers.RELEASE, revision)
    print("Rolled back.")


def before(wanted: str) -> str:
    """Return the revision to go back to: never one that failed."""
    *earlier, _ = json.loads(helm("history", answers.RELEASE, "--max=50", "--output=json")) or [None]
    worked = [str(one["revision"]) for one in earlier if one["status"] in ("deployed", "superseded")]
    if wanted in worked or (worked and not wanted):
        return wanted or worked[-1]
    which = f"revision {wanted} failed, or is not an earlier one" if wanted else "no earlier revision worked"
    way = f"REVISION={worked[-1]} did" if worked else "correct what failed, then make deploy"
    raise ClusterError(f"nothing was changed: {which}; {way}")


def undeploy() -> None:
    """Remove the release after its name was typed; volumes, Secrets and namespace stay."""
    tools.show_cluster()
    print(f"This stops Airflow in namespace {answers.NAMESPACE}; its volumes and Secrets stay.")
    confirm(answers.RELEASE, "To go on, type the name of the release")
    print(helm("uninstall", answers.RELEASE, timeout=minutes() * 60), end="")
    delete = f"{' '.join(tools.command('kubectl'))} delete namespace {answers.NAMESPACE}"
    print(f"make deploy brings it back with all it had. To delete the data too, for good: {delete}")
