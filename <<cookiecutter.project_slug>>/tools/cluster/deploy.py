"""The release on the cluster: `make deploy`, `make diff`, `make rollback`, `make undeploy`.

Reads from the environment VALUES (values files, in order), CHART_VERSION, CHART (a folder or archive in place
of the published chart) and TIMEOUT (minutes). KUBECTL and HELM say how the tools are called here.
"""

import contextlib
import difflib
import json
import os
import re
import subprocess
import sys
import tempfile
import time

import yaml

from tools import answers
from tools.cluster.apply_secrets import bring
from tools.cluster.doctor import offline_findings
from tools.cluster.environments import shared
from tools.cluster.helm_values import chart
from tools.cluster.kubectl import (
    OLDEST_HELM,
    WORKLOADS,
    ClusterError,
    done,
    helm_command,
    kubectl,
    kubectl_command,
    plain_words,
    remember,
    run_tool,
    show_cluster,
)
from tools.cluster.pods import claims_without_volume, pods
from tools.secrets.keys import open_secrets

DATA_VOLUME = answers.ROOT / "helm" / "data-volume.yaml"
IN_NAMESPACE = ("--namespace", answers.NAMESPACE)
UI = {
    "port-forward": "make ui-forward",
    "nodeport": "http://ANY-NODE:30080, or make ui-forward",
}.get(answers.EXPOSE, f"http://{answers.EXPOSE}, or make ui-forward")
JOBS = (f"{answers.RELEASE}-run-airflow-migrations", f"{answers.RELEASE}-create-user")
# Where the chart's values say how many pods a workload has.
REPLICAS = {
    "worker": "workers.celery.replicas",
    "scheduler": "scheduler.replicas",
    "api-server": "apiServer.replicas",
    "dag-processor": "dagProcessor.replicas",
    "triggerer": "triggerer.replicas",
    "pgbouncer": "pgbouncer.replicas",
}


def helm(*arguments: str, timeout: float | None = 60) -> str:
    return run_tool([*helm_command(), *IN_NAMESPACE, *arguments], timeout=timeout)


def minutes() -> float:
    return float(os.environ.get("TIMEOUT", "15"))


def check() -> None:
    """Refuse what cannot end well, before anything is changed; FORCE=yes overrules what doctor finds."""
    if problem := next(shared(), None):
        raise ClusterError(f"{problem}. Nothing was changed: give each its own (docs/environments.md)")
    version = helm("version", "--template={{.Version}}")
    if tuple(map(int, re.findall(r"\d+", version)[:2])) < OLDEST_HELM:
        oldest = ".".join(map(str, OLDEST_HELM))
        raise ClusterError(
            f"{helm_command()[0]} has Helm {version.strip()}, the chart needs {oldest}. Install a newer one "
            "(https://helm.sh/docs/intro/install/) and say how it is called: make deploy HELM=helm"
        )
    blocking = [finding for finding in offline_findings() if finding.blocks]
    for finding in blocking:
        print(f"\N{BALLOT X} {finding.what}\n    {finding.fix}", file=sys.stderr)
    if blocking and os.environ.get("FORCE") != "yes":
        first = blocking[0].what
        raise ClusterError(f"nothing was changed: {first}. With that as it is: FORCE=yes make deploy")
    try:
        kubectl("auth", "can-i", "create", "deployments.apps", timeout=30)
    except ClusterError as problem:
        if str(problem).endswith(": no"):
            raise ClusterError(
                f"you may not create deployments in namespace {answers.NAMESPACE}. Ask who runs the cluster"
            ) from None
        raise


def deploy() -> None:
    """Install or upgrade the release and wait until every pod is ready."""
    cluster = show_cluster()
    check()
    open_secrets()  # locked until this process ends
    bring()
    remember(cluster)
    if DATA_VOLUME.exists():
        print(kubectl("apply", "--filename=-", stdin=DATA_VOLUME.read_text(encoding="utf-8")), end="")
    # Jobs cannot be changed, only made again.
    kubectl("delete", "job", *JOBS, "--ignore-not-found", timeout=60)
    print(f"Installing chart {os.environ.get('CHART') or os.environ['CHART_VERSION']} ...", flush=True)
    # Without --wait: the pods wait for the migration, which Helm starts only after a wait for the pods.
    roll_out("upgrade", "--install", *chart(), "--history-max=20")
    external = os.environ.get("SECRETS") == "external"
    password = f"the Secret {answers.SLUG}-admin" if external else answers.in_secrets("admin_password")
    print(f"Airflow runs. User admin, password in {password}. The UI: {UI}")


def roll_out(*arguments: str) -> None:
    """Let helm change the release, then wait until everything in it is ready."""
    deadline = time.monotonic() + minutes() * 60
    force = ["--force-conflicts"] if os.environ.get("FORCE_CONFLICTS") == "yes" else []
    command = [*helm_command(), *IN_NAMESPACE, *arguments, f"--timeout={minutes():g}m", *force]
    seen: dict[str, str] = {}
    while failure := follow(command, deadline, seen):
        kept = kept_replicas(failure)
        if not kept or arguments[0] != "upgrade" or kept in command:
            raise ClusterError(f"{helm_words(failure)}{why()}")
        command.append(kept)
    left = f"--timeout={max(1, deadline - time.monotonic()):.0f}s"
    status = [*kubectl_command(), *IN_NAMESPACE, "rollout", "status", *WORKLOADS, left]
    if failure := follow(status, deadline, seen):
        raise ClusterError(f"{plain_words(status[0], failure)}{why()}")


def kept_replicas(failure: str) -> str:
    """Return the --set that keeps a number of pods which `kubectl scale` or an autoscaler has set, or ""."""
    pattern = r'applying object \S+/(\S+) .*Kind=(\w+).*conflict with (".*") using .*spec\.replicas'
    found = re.search(pattern, failure)
    path = found and REPLICAS.get(found[1].removeprefix(f"{answers.RELEASE}-"))
    if not path:
        return ""
    name, kind, manager = found.groups()
    number = kubectl(
        "get", f"{kind.lower()}/{name}", "--output=jsonpath={.spec.replicas}", timeout=30
    ).strip()
    print(
        f"  {name}: {manager} has set its number of pods to {number}, which stays (for good: {path} in "
        "helm/values.yaml; the number there instead: FORCE_CONFLICTS=yes make deploy)",
        flush=True,
    )
    return f"--set={path}={number}"


def follow(command: list[str], deadline: float, seen: dict[str, str]) -> str:
    """Run a command and print what changes in the pods; return "" or what the command says went wrong."""
    began = time.monotonic()
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
        try:
            while process.poll() is None:
                if time.monotonic() > deadline:
                    raise ClusterError(f"not ready in {minutes():g} minutes (TIMEOUT=30 waits longer){why()}")
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(2)
                with contextlib.suppress(ClusterError):
                    for pod in pods():
                        if seen.get(pod.name, "ready") != pod.words:
                            print(f"  {time.monotonic() - began:4.0f} s  {pod.name}: {pod.words}", flush=True)
                        seen[pod.name] = pod.words
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
        output.seek(0)
        return (output.read().strip() or f"status {process.returncode}") if process.returncode else ""


def helm_words(text: str) -> str:
    if "another operation" in text:
        return (
            "an earlier run of helm was cut off. Run make rollback, or, if there was no release before it, "
            "make undeploy (the data stays); then make deploy again"
        )
    words = plain_words(helm_command()[0], text)
    return f"{words}\n  To take that over: FORCE_CONFLICTS=yes" if "conflict with" in text else words


def why() -> str:
    """Return a line for each pod that is not ready and each volume claim that has no volume."""
    lines = []
    with contextlib.suppress(ClusterError):
        lines += [f"{pod.name}: {pod.words}" for pod in pods() if not pod.ready]
        lines += [f"no volume for {claim}; see kubectl get storageclass" for claim in claims_without_volume()]
    return "".join(f"\n  {line}" for line in [*lines, "More: make doctor"])


def diff() -> None:
    """Print what `make deploy` would change, object by object, compared with what it last deployed.

    `kubectl diff` would show neither what goes nor what only restarts, and asks for leave to write.
    """
    if not json.loads(helm("list", f"--filter=^{answers.RELEASE}$", "--output=json")):
        print(f"There is no release in namespace {answers.NAMESPACE} yet: all would be new.")
        return
    old = by_object(helm("get", "manifest", answers.RELEASE))
    new = by_object(helm("template", *chart(), "--is-upgrade", "--no-hooks", timeout=120))
    for name in sorted(old.keys() | new.keys()):
        lines = list(difflib.unified_diff(old.get(name, []), new.get(name, []), n=2, lineterm=""))[2:]
        changed = [line for line in lines if line.startswith(("-", "+"))]
        if name not in old or name not in new:
            print(f"{name}: {'new' if name in new else 'gone'}")
        elif changed and all("checksum/" in line for line in changed):
            print(f"{name}: restarts, because its configuration or Secrets change")
        elif changed:
            print(
                f"{name}: changes", *(f"    {line}" for line in lines if not line.startswith("@@")), sep="\n"
            )
    if old == new:
        print("Nothing would change.")


def by_object(rendered: str) -> dict[str, list[str]]:
    """Return kind/name → lines of each object of a rendered chart."""
    objects = filter(None, yaml.safe_load_all(rendered))
    return {
        f"{item['kind']}/{item['metadata']['name']}": yaml.safe_dump(item).splitlines() for item in objects
    }


def rollback() -> None:
    """Go back to an earlier revision, after a yes; REVISION names one, else the one before."""
    show_cluster()
    print(helm("history", answers.RELEASE, "--max=10"), end="")
    print("DAGs, data and database stay as they are; a newer database may not fit an older Airflow.")
    revision = os.environ.get("REVISION", "")
    confirm("yes", f"Roll back to revision {revision or 'before the current one'}?")
    kubectl("delete", "job", *JOBS, "--ignore-not-found", timeout=60)
    roll_out("rollback", answers.RELEASE, *([revision] if revision else []))
    print("Rolled back.")


def undeploy() -> None:
    """Remove the release after its name was typed; volumes, Secrets and namespace stay."""
    show_cluster()
    print(f"This stops Airflow in namespace {answers.NAMESPACE}; its volumes and Secrets stay.")
    confirm(answers.RELEASE, "To go on, type the name of the release")
    print(helm("uninstall", answers.RELEASE, timeout=minutes() * 60), end="")
    print(
        "make deploy brings it back with all it had. To delete the data too, for good: "
        f"{' '.join(kubectl_command())} delete namespace {answers.NAMESPACE}"
    )


def confirm(word: str, question: str) -> None:
    answer = os.environ.get("CONFIRM", "")
    if not answer and sys.stdin.isatty():
        answer = input(f"{question} ({word}): ").strip()
    if answer != word:
        raise ClusterError(f"nothing was done. To go on without being asked: CONFIRM={word}")


ACTIONS = {action.__name__: action for action in (deploy, diff, rollback, undeploy)}


def main(arguments: list[str]) -> int:
    try:
        return done(arguments[0], ACTIONS[arguments[0]])
    except KeyboardInterrupt:
        print("\nStopped. What was begun goes on in the cluster: make status", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
