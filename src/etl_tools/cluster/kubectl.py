"""kubectl and helm as this project calls them, and their failures in one plain line."""

import json
import os
import re
import shlex
import shutil
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from etl_tools import answers
from etl_tools.programs import run
from etl_tools.project import advice

# Two things that Helm cannot tell apart.
BUSY = "helm is at work on this release, or was cut off. If somebody deploys now (make status), wait for "
BUSY += "that. If not: Run make rollback, or, if there was no release before it, make undeploy (the data "
BUSY += "stays); then make deploy again"
# What people see when a laptop is not connected to the right cluster; the first that fits wins.
FAILURES = {
    "current-context|localhost:8080|no configuration has been provided": "{tool} points at no cluster. "
    "Choose one of {tool} config get-contexts: {tool} config use-context NAME",
    'context was not found|context "|cannot locate context': "{tool}'s context does not exist. "
    "Choose one of {tool} config get-contexts",
    "Unauthorized|must be logged in|getting credentials|token has expired": "the cluster does not accept "
    "{tool}'s login. Log in again the way your cluster asks for it",
    "exceeded quota|violates PodSecurity": "namespace {namespace} does not allow that much, or that way "
    "({words}); ask for less in helm/, or whoever runs the cluster for more",
    r"Forbidden|forbidden|^no( - .*)?$": "you may not do that in namespace {namespace}; ask whoever runs the "
    "cluster for the role ({words})",
    "usermod -a -G microk8s": "you may not use microk8s yet: sudo usermod -aG microk8s $USER, log in again",
    "another operation": BUSY,
    r"conflict with .*spec\.replicas": "somebody has set a number of pods ({words}). To keep it, write it "
    "into helm/values.yaml as replicas; for the number that is there: FORCE_CONFLICTS=yes make deploy",
    "conflict with": "{words}\n  To take that over: FORCE_CONFLICTS=yes",
    "Unable to connect|connection refused|was refused|no such host|timeout|deadline|timed out$": "the "
    "cluster does not answer ({words}). Is it up, and are you on its network?",
}
# A Kubernetes object, as kubectl prints it in JSON.
Item = dict[str, Any]
INSTALL = "Install it (docs/deploy.md), or say how it is called here: make … "
INSTALL += 'KUBECTL="microk8s kubectl" HELM="microk8s helm3"'
# The cluster that this checkout deploys to: context and server, as the first deploy met them.
REMEMBERED = answers.SECRETS / "cluster"
# Everything that the release runs, as kubectl selects it.
WORKLOADS = ("deployment,statefulset", f"--selector=release={answers.RELEASE}")


class ClusterError(RuntimeError):
    """What went wrong, in one line that says what to do."""


class WrongClusterError(ClusterError):
    """kubectl points at another cluster than the one that this checkout was deployed to."""


def command(tool: str) -> list[str]:
    """Return kubectl or helm as it is called here, in the context and the namespace that are meant."""
    context = os.environ.get("CONTEXT") or answers.CONTEXT
    flag = {"kubectl": "--context", "helm": "--kube-context"}[tool]
    chosen = [f"{flag}={context}"] if context else []
    return [*shlex.split(os.environ.get(tool.upper()) or tool), *chosen, "--namespace", answers.NAMESPACE]


def show_cluster(show: Callable[[str], object] = print) -> str:
    """Print context, server and namespace, or ``show`` them; return context and server.

    ClusterError if this checkout was deployed to another cluster and CONTEXT does not name this one.
    """
    config = json.loads(kubectl("config", "view", "--minify", "--output=json", timeout=30))
    name, server = config["current-context"], config["clusters"][0]["cluster"]["server"]
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


def asked(prompt: Callable[[], str]) -> str:
    """Return what a person answers; Ctrl-C there means that nothing is to be done."""
    try:
        return prompt().strip()
    except KeyboardInterrupt:
        raise KeyboardInterrupt("stopped (Ctrl-C), nothing was done") from None


def confirm(word: str, question: str) -> None:
    """Go on after this word, from CONFIRM or the keyboard; ClusterError after another."""
    answer = os.environ.get("CONFIRM", "")
    if not answer and sys.stdin.isatty():
        answer = asked(lambda: input(f"{question} ({word}): "))
    if answer != word:
        raise ClusterError(f"nothing was done. To go on without being asked: CONFIRM={word}")


def plain_words(tool: str, stderr: str) -> str:
    """Return the line that a person needs instead of what the tool printed."""
    lines = stderr.strip().splitlines() or ["no output"]
    name = command(tool)[0]
    if len(lines) > 1 and lines[-1].startswith("command terminated with exit code"):
        return f"{name}: {lines[-2]}"  # what failed in a pod says nothing of the way there
    words = lines[-1].removeprefix("error: ").removeprefix("Error: ")
    advice = (advice for signs, advice in FAILURES.items() if re.search(signs, stderr.strip()))
    return next(advice, "{tool}: {words}").format(tool=name, namespace=answers.NAMESPACE, words=words)


def ask(tool: str, *arguments: str, stdin: str = "", timeout: float | None = None) -> str:
    """Run kubectl or helm and return what it prints. Raises ClusterError if it is missing, fails or hangs."""
    ended = run(*command(tool), *arguments, stdin=stdin, timeout=timeout)
    if ended.returncode == 127:
        raise ClusterError(f"{ended.stderr}. {INSTALL}")
    if ended.returncode:
        raise ClusterError(plain_words(tool, ended.stderr or ended.stdout))
    return ended.stdout


kubectl = partial(ask, "kubectl")
helm = partial(ask, "helm")


def in_pod(
    workload: str, script: str, *words: str, shell: str = "sh", stdin: str = "", timeout: float | None = None
) -> str:
    """Run a script in a pod of the release, with these words as $@, up to the first failure; return what it prints.

    kubectl exec can end with 0 and have done nothing, or cut what it carries (kubernetes#124571): the script's
    last word proves it. Secrets go through standard input, where no process list shows them.
    """
    kind, name = workload.split("/")
    where = ("exec", "--stdin", f"{kind}/{answers.RELEASE}-{name}", f"--container={name}")
    last = f"done-{os.urandom(8).hex()}"
    whole = f"{script}\necho {last}"
    printed = kubectl(*where, "--", shell, "-ec", whole, shell, *words, stdin=stdin, timeout=timeout)
    if printed.split()[-1:] != [last]:
        raise ClusterError(f"kubectl exec into {workload} ended early: whether it did its work is unknown")
    return printed.rpartition(last)[0]


def helm_version() -> str:
    """Return Helm's version; ClusterError if the chart needs a newer one."""
    version = helm("version", "--template={{.Version}}", timeout=8).strip()
    if [int(number) for number in re.findall(r"\d+", version)[:2]] < [3, 19]:
        words = f"{command('helm')[0]} has Helm {version}, the chart needs 3.19 or newer."
        raise ClusterError(f"{words} Install one (docs/deploy.md) and say how it is called: make … HELM=helm")
    return version


def restart() -> None:
    """Replace the release's pods and wait until the new ones are ready."""
    kubectl("rollout", "restart", *WORKLOADS)
    print("Waiting for the new pods …", flush=True)
    kubectl("rollout", "status", *WORKLOADS, "--timeout=10m")


def run_in_cluster(tool: str, words: list[str]) -> None:
    """Let kubectl or helm take this process's place; CHART in the words is release, chart and values."""
    from etl_tools.cluster.helm_values import chart

    try:
        show_cluster(lambda _: None)
        arguments = [word for one in words for word in (chart() if one == "CHART" else [one])]
        program, *options = command(tool)
        if not shutil.which(program):
            raise ClusterError(f"{program} is not on PATH. {INSTALL}")
        os.execvp(program, [program, *options, *arguments])
    except (ClusterError, OSError) as problem:
        sys.exit(advice(problem))
