"""kubectl and helm as this project calls them, and their failures in one plain line."""

import json
import os
import re
import shlex
import shutil
import sys
from collections.abc import Callable

from tools import answers
from tools.programs import run
from tools.secrets.keys import write_private

# First match wins. What people see when a laptop is not connected to the right cluster.
FAILURES = (
    (
        "current-context|localhost:8080|no configuration has been provided",
        "{tool} points at no cluster. List what it knows: {tool} config get-contexts; "
        "choose one: {tool} config use-context NAME",
    ),
    (
        'context was not found|context "|cannot locate context',
        "{tool}'s context does not exist. List the others: {tool} config get-contexts",
    ),
    (
        "Unauthorized|must be logged in|getting credentials|token has expired",
        "the cluster does not accept {tool}'s login. Log in again the way your cluster asks for it",
    ),
    (
        "Forbidden|forbidden",
        "you may not do that in namespace {namespace}; ask whoever runs the cluster for the role ({words})",
    ),
    ("microk8s is not running", "microk8s is not running. Start it: microk8s start"),
    (
        "Insufficient permissions to access MicroK8s|usermod -a -G microk8s",
        "you may not use microk8s yet. Run: sudo usermod -aG microk8s $USER, then log in again",
    ),
    (
        "Unable to connect|connection refused|was refused|no such host|timeout|deadline",
        "the cluster does not answer ({words}). Is it up, and are you on its network?",
    ),
)
OLDEST_HELM = (3, 19)  # what the chart asks for
INSTALL = {
    "kubectl": "https://kubernetes.io/docs/tasks/tools/",
    "helm": "https://helm.sh/docs/intro/install/",
    "microk8s": "https://microk8s.io/docs/getting-started",
}


class ClusterError(Exception):
    """What went wrong, in one line that says what to do."""


class WrongClusterError(ClusterError):
    """kubectl points at another cluster than the one that this checkout was deployed to."""


# The cluster that this checkout deploys to: context and server, as the first deploy met them.
REMEMBERED = answers.SECRETS / "cluster"


def context() -> str:
    """Return the kubectl context that CONTEXT or pyproject.toml names, or "" for kubectl's own choice."""
    return os.environ.get("CONTEXT") or answers.CONTEXT


def kubectl_command() -> list[str]:
    chosen = [f"--context={context()}"] if context() else []
    return [*shlex.split(os.environ.get("KUBECTL") or answers.KUBECTL), *chosen]


def helm_command() -> list[str]:
    chosen = [f"--kube-context={context()}"] if context() else []
    return [*shlex.split(os.environ.get("HELM") or answers.HELM), *chosen]


def show_cluster(show: Callable[[str], object] = print) -> str:
    """Print context, server and namespace, or ``show`` them; return context and server.

    ClusterError if this checkout was deployed to another cluster and CONTEXT does not name this one.
    """
    try:
        config = json.loads(kubectl("config", "view", "--minify", "--output=json", timeout=30))
        name, server = config["current-context"], config["clusters"][0]["cluster"]["server"]
    except ClusterError:
        if "KUBERNETES_SERVICE_HOST" not in os.environ:
            raise
        name, server = "in-cluster", os.environ["KUBERNETES_SERVICE_HOST"]  # a job in the cluster itself
    show(f"Cluster: context {name}, server {server}, namespace {answers.NAMESPACE}")
    sys.stdout.flush()
    here = f"{name} {server}"
    before = REMEMBERED.read_text(encoding="utf-8").strip() if REMEMBERED.exists() else here
    if before != here and not os.environ.get("CONTEXT"):
        was, _, its_server = before.partition(" ")
        raise WrongClusterError(
            f"this checkout was deployed to context {was} ({its_server}), and kubectl points at {name} "
            f"({server}). Nothing was changed. To go on there: CONTEXT={was} make …; "
            f"here, from now on: CONTEXT={name} make …"
        )
    return here


def remember(cluster: str) -> None:
    """Write down, outside git, which cluster this checkout deploys to."""
    if not REMEMBERED.exists() or REMEMBERED.read_text(encoding="utf-8") != cluster:
        write_private(REMEMBERED, cluster.encode())


def done(target: str, action: Callable[..., object], *words: object) -> int:
    """Do what a make target asks for and return its exit code; a failure is one line, with its name."""
    try:
        action(*words)
    except (ClusterError, OSError, RuntimeError, ValueError) as problem:
        print(f"make {target}: {problem}", file=sys.stderr)
        return 1
    return 0


def plain_words(tool: str, stderr: str) -> str:
    """Return the line that a person needs instead of what the tool printed."""
    lines = stderr.strip().splitlines() or ["no output"]
    if len(lines) > 1 and lines[-1].startswith("command terminated with exit code"):
        lines.pop()  # in a pod, which said why
    words = lines[-1].removeprefix("error: ").removeprefix("Error: ")
    for signs, advice in FAILURES:
        if re.search(signs, stderr):
            return advice.format(tool=tool, namespace=answers.NAMESPACE, words=words)
    return f"{tool}: {words}"


def run_tool(command: list[str], stdin: str = "", timeout: float | None = None) -> str:
    """Run kubectl or helm and return what it prints. Raises ClusterError if it is missing, fails or hangs."""
    if not shutil.which(command[0]):
        where = INSTALL.get(command[0])
        raise ClusterError(
            f"{command[0]} is not on PATH. Install it{f' ({where})' if where else ''}, "
            'or say how it is called here: make … KUBECTL="microk8s kubectl" HELM="microk8s helm3"'
        )
    ended = run(*command, stdin=stdin, timeout=timeout)
    if ended.returncode == 124 and timeout:
        raise ClusterError(f"no answer to {command[0]} within {timeout:.0f} s. Is the cluster up?")
    if ended.returncode:
        raise ClusterError(plain_words(command[0], ended.stderr or ended.stdout))
    return ended.stdout


def kubectl(*arguments: str, stdin: str = "", timeout: float | None = None) -> str:
    """Run kubectl in this project's namespace and return what it prints."""
    command = [*kubectl_command(), "--namespace", answers.NAMESPACE, *arguments]
    return run_tool(command, stdin, timeout)


# Everything that the release runs, as kubectl selects it.
WORKLOADS = ("deployment,statefulset", f"--selector=release={answers.RELEASE}")


def restart() -> None:
    """Replace the release's pods and wait until the new ones are ready."""
    kubectl("rollout", "restart", *WORKLOADS)
    print("Waiting for the new pods …", flush=True)
    kubectl("rollout", "status", *WORKLOADS, "--timeout=10m")


def main(words: list[str]) -> int:
    """Let kubectl or helm take this process's place, in the namespace and context that are meant here."""
    tool = {"kubectl": kubectl_command, "helm": helm_command}[words[0]]()
    command = [*tool, "--namespace", answers.NAMESPACE, *words[1:]]
    try:
        os.execvp(command[0], command)  # noqa: S606
    except FileNotFoundError:
        print(f"{command[0]} is not on PATH; {INSTALL[words[0]]}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
