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

from tools import answers
from tools.cluster import apply_secrets
from tools.cluster.kubectl import (
    ClusterError,
    helm_command,
    kubectl,
    kubectl_command,
    plain_words,
    run_tool,
    workloads,
)
from tools.cluster.pods import claims_without_volume, pods
from tools.secrets.manifests import manifest

CHARTS = "https://airflow.apache.org"
# What the chart asks for.
OLDEST_HELM = (3, 19)
DATA_VOLUME = answers.ROOT / "helm" / "data-volume.yaml"
STORAGE = answers.SECRETS / "storage.env"
IN_NAMESPACE = ("--namespace", answers.NAMESPACE)
UI = {
    "port-forward": "make ui-forward",
    "nodeport": "http://ANY-NODE:30080, or make ui-forward",
}.get(answers.EXPOSE, f"http://{answers.EXPOSE}, or make ui-forward")
JOBS = (f"{answers.RELEASE}-run-airflow-migrations", f"{answers.RELEASE}-create-user")


def helm(*arguments: str, timeout: float | None = 60) -> str:
    return run_tool([*helm_command(), *IN_NAMESPACE, *arguments], timeout=timeout)


def values() -> list[str]:
    return os.environ.get("VALUES", "helm/values.yaml").split()


def chart() -> list[str]:
    """Return the arguments that name release, chart and values: the same for an upgrade and a rendering."""
    own = os.environ.get("CHART")
    source = [own] if own else ["airflow", "--repo", CHARTS, "--version", os.environ["CHART_VERSION"]]
    return [answers.RELEASE, *source, *(f"--values={answers.ROOT / name}" for name in values())]


def minutes() -> float:
    return float(os.environ.get("TIMEOUT", "15"))


def check() -> None:
    """Refuse what cannot end well, before anything is changed."""
    version = helm("version", "--template={{.Version}}")
    numbers = tuple(map(int, re.findall(r"\d+", version)[:2]))
    if numbers < OLDEST_HELM:
        oldest = ".".join(map(str, OLDEST_HELM))
        raise ClusterError(
            f"{helm_command()[0]} has Helm {version.strip()}, the chart needs {oldest}. Install a newer one "
            "(https://helm.sh/docs/intro/install/) and say how it is called: make deploy HELM=helm"
        )
    for name in values():
        lines = (answers.ROOT / name).read_text(encoding="utf-8").splitlines()
        for number, line in enumerate(lines, 1):
            if "FILL-IN" in line.partition("#")[0]:
                raise ClusterError(f"{name}:{number} still says {line.strip()!r}. Fill it in")
    try:
        kubectl("auth", "can-i", "create", "deployments.apps", timeout=30)
    except ClusterError as problem:
        if str(problem).endswith(": no"):
            raise ClusterError(
                f"you may not create deployments in namespace {answers.NAMESPACE}. Ask who runs the cluster"
            ) from None
        raise


def apply_storage() -> None:
    """Put secrets/storage.env, when there is one, into the Secret that becomes the pods' environment."""
    if not STORAGE.exists():
        return
    data = {}
    for number, line in enumerate(STORAGE.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, equals, value = line.partition("=")
        if not equals or not re.fullmatch(r"[A-Za-z_]\w*", name):
            raise ClusterError(f"secrets/storage.env:{number} is not of the form NAME=value")
        data[name] = value.encode()
    print(apply_secrets.apply(manifest(f"{answers.SLUG}-storage", data)), end="")


def deploy() -> None:
    """Install or upgrade the release and wait until every pod is ready."""
    check()
    if apply_secrets.main():
        raise SystemExit(1)
    apply_storage()
    if DATA_VOLUME.exists():
        print(kubectl("apply", "--filename=-", stdin=DATA_VOLUME.read_text(encoding="utf-8")), end="")
    # Jobs cannot be changed, only made anew.
    kubectl("delete", "job", *JOBS, "--ignore-not-found", timeout=60)
    print(f"Installing chart {os.environ.get('CHART') or os.environ['CHART_VERSION']} ...", flush=True)
    # Without --wait: the pods wait for the migration, which Helm starts only after a wait for the pods.
    roll_out("upgrade", "--install", *chart(), "--history-max=20")
    print(f"Airflow runs. User admin, password in secrets/admin_password. The UI: {UI}")


def roll_out(*arguments: str) -> None:
    """Let helm change the release, then wait until everything in it is ready."""
    began = time.monotonic()
    deadline = began + minutes() * 60
    helm_timeout = f"--timeout={minutes():g}m"
    seen: dict[str, str] = {}
    follow([*helm_command(), *IN_NAMESPACE, *arguments, helm_timeout], began, deadline, seen)
    for name in workloads():
        left = f"--timeout={max(1, deadline - time.monotonic()):.0f}s"
        follow([*kubectl_command(), *IN_NAMESPACE, "rollout", "status", name, left], began, deadline, seen)


def follow(command: list[str], began: float, deadline: float, seen: dict[str, str]) -> None:
    """Run a command that takes its time, and print meanwhile what changes in the pods."""
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
        try:
            while True:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(2)
                print_changes(seen, time.monotonic() - began)
                if process.returncode is not None:
                    break
                if time.monotonic() > deadline:
                    raise ClusterError(f"not ready in {minutes():g} minutes (TIMEOUT=30 waits longer){why()}")
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
        output.seek(0)
        text = output.read()
    if process.returncode:
        raise ClusterError(f"{helm_words(command[0], text)}{why()}")


def print_changes(seen: dict[str, str], seconds: float) -> None:
    with contextlib.suppress(ClusterError):
        for pod in pods():
            if seen.get(pod.name, "ready") != pod.words:
                print(f"  {seconds:4.0f} s  {pod.name}: {pod.words}", flush=True)
            seen[pod.name] = pod.words


def helm_words(tool: str, text: str) -> str:
    if "another operation" in text:
        return (
            "an earlier run of helm was cut off. Run make rollback, or, if there was no release before it, "
            "make undeploy (the data stays); then make deploy again"
        )
    return plain_words(tool, text)


def why() -> str:
    """Return a line for each pod that is not ready and each volume claim that has no volume."""
    lines = []
    with contextlib.suppress(ClusterError):
        lines += [f"{pod.name}: {pod.words}" for pod in pods() if not pod.ready]
        lines += [f"no volume for {claim}; see kubectl get storageclass" for claim in claims_without_volume()]
    return "".join(f"\n  {line}" for line in [*lines, "More: make doctor"])


def diff() -> None:
    """Print what `make deploy` would change, object by object, compared with what it last deployed."""
    check()
    if not json.loads(helm("list", f"--filter=^{answers.RELEASE}$", "--output=json")):
        print(f"There is no release in namespace {answers.NAMESPACE} yet: all would be new.")
        return
    old = by_object(helm("get", "manifest", answers.RELEASE))
    new = by_object(helm("template", *chart(), "--is-upgrade", "--no-hooks", timeout=120))
    for name in sorted(old.keys() | new.keys()):
        if name not in old or name not in new:
            print(f"{name}: {'new' if name in new else 'gone'}")
        elif old[name] != new[name]:
            print_difference(name, old[name], new[name])
    if old == new:
        print("Nothing would change.")


def print_difference(name: str, old: list[str], new: list[str]) -> None:
    lines = list(difflib.unified_diff(old, new, n=2, lineterm=""))[2:]
    changed = [line for line in lines if line.startswith(("-", "+"))]
    if all("checksum/" in line for line in changed):
        print(f"{name}: restarts, because its configuration or Secrets change")
        return
    print(f"{name}: changes")
    print(*(f"    {line}" for line in lines if not line.startswith("@@")), sep="\n")


def by_object(rendered: str) -> dict[str, list[str]]:
    """Return kind/name → lines of each object of a rendered chart, without comments and empty lines."""
    objects = {}
    for text in re.split(r"^---.*\n", rendered, flags=re.MULTILINE):
        kind = re.search(r"^kind: *(\S+)", text, re.MULTILINE)
        name = re.search(r"^metadata:\n(?:  .*\n)*?  name: *(\S+)", text, re.MULTILINE)
        if kind and name:
            lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
            objects[f"{kind[1]}/{name[1]}"] = lines
    return objects


def rollback() -> None:
    """Go back to an earlier revision, after a yes; REVISION names one, else the one before."""
    print(helm("history", answers.RELEASE, "--max=10"), end="")
    print("DAGs, data and database stay as they are; a newer database may not fit an older Airflow.")
    revision = os.environ.get("REVISION", "")
    confirm("yes", f"Roll back to revision {revision or 'before the current one'}?")
    kubectl("delete", "job", *JOBS, "--ignore-not-found", timeout=60)
    roll_out("rollback", answers.RELEASE, *([revision] if revision else []))
    print("Rolled back.")


def undeploy() -> None:
    """Remove the release after its name was typed; volumes, Secrets and namespace stay."""
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
        ACTIONS[arguments[0]]()
    except (ClusterError, OSError, ValueError) as problem:
        print(f"make {arguments[0]}: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped. What was begun goes on in the cluster: make status", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
