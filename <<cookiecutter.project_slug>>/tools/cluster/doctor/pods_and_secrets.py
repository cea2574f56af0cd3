"""The cluster: its Secrets, its pods, what the container that fetches DAGs says, what Airflow lists."""

import base64
import json
from collections.abc import Iterator

from tools import answers
from tools.cluster.doctor import Finding, broken, fine, unknown
from tools.cluster.git_errors import explained
from tools.cluster.kubectl import ClusterError, kubectl, kubectl_command
from tools.cluster.pods import Pod, pods
from tools.secrets.manifests import secret_data

TOKEN_KEYS = ("GITSYNC_USERNAME", "GITSYNC_PASSWORD", "GIT_SYNC_USERNAME", "GIT_SYNC_PASSWORD")
KUBECTL = " ".join([*kubectl_command(), "-n", answers.NAMESPACE])


def items(kind: str, *selector: str) -> list[dict]:
    printed = kubectl("get", kind, *selector, "--request-timeout=4s", "--output=json", timeout=6)
    return json.loads(printed)["items"]


def cluster_state() -> Iterator[Finding]:
    try:
        found = {item["metadata"]["name"]: item.get("data") or {} for item in items("secrets")}
    except ClusterError as problem:
        yield unknown(f"the cluster: {problem}")
        return
    yield from cluster_secrets(found)
    try:
        found_pods = pods()
        yield from pod_problems(found_pods)
        if found_pods:
            yield from fetching()
            yield from dags_in_airflow()
    except ClusterError as problem:
        yield unknown(f"the pods: {problem}")


def cluster_secrets(found: dict[str, dict[str, str]]) -> Iterator[Finding]:
    """Compare the cluster's Secrets with those made from secrets/, by name, key and content."""
    wanted: dict[str, dict[str, bytes | None]]
    try:
        wanted = {name: dict(data) for name, data in secret_data().items()}
    except (OSError, ValueError):  # a checkout without keys: only the names can be asked for
        wanted = {f"{answers.SLUG}-git-ssh": dict.fromkeys(["gitSshKey"])}
        wanted = wanted if answers.GIT_ACCESS == "ssh-deploy-key" else {}
    if answers.GIT_ACCESS == "https-token":
        wanted[f"{answers.SLUG}-git-token"] = dict.fromkeys(TOKEN_KEYS)
    problems = []
    for name, data in wanted.items():
        if name in found:
            problems += content_problems(name, data, found[name])
        else:
            problems.append(f"namespace {answers.NAMESPACE} has no Secret {name}")
    restart = f"{KUBECTL} rollout restart deployment,statefulset -l release={answers.RELEASE}"
    for problem in problems:
        yield broken(problem, f"make secrets && {restart}")
    if wanted and not problems:
        yield fine(f"the cluster's {len(wanted)} Secrets are there, with the right keys and content")


def content_problems(name: str, data: dict[str, bytes | None], there: dict[str, str]) -> Iterator[str]:
    for key, content in data.items():
        if key not in there:
            yield f"the Secret {name} lacks the key {key} (it has {', '.join(there) or 'none'})"
        elif content is not None and (actual := base64.b64decode(there[key])) != content:
            twice = b"".join(actual.split()) == base64.b64encode(content)
            yield f"the Secret {name}: {key} {'is encoded twice' if twice else 'is not what secrets/ holds'}"


def pod_problems(found: list[Pod]) -> Iterator[Finding]:
    if not found:
        what = f"nothing of release {answers.RELEASE} runs in namespace {answers.NAMESPACE}"
        yield broken(what, "make deploy")
        return
    waiting = [pod for pod in found if not pod.ready]
    for pod in waiting:
        cure = f"{KUBECTL} describe pod {pod.name}"
        if "CrashLoopBackOff" in pod.words:
            cure = f"{KUBECTL} logs {pod.name} -c {pod.words.partition(':')[0]} --previous"
        yield broken(f"pod {pod.name} is not ready: {pod.words[:200]}", cure)
    if not waiting:
        yield fine(f"pods of release {answers.RELEASE}: {len(found)}, all of them ready")


def fetching() -> Iterator[Finding]:
    """Read what the container says that fetches the DAGs for Airflow's DAG processor."""
    for pod in items("pods", f"--selector=release={answers.RELEASE},component=dag-processor")[:1]:
        yield what_fetching_says(pod)


def what_fetching_says(pod: dict) -> Finding:
    name = pod["metadata"]["name"]
    container, window = "dag-processor", ["--since=5m"]
    if answers.DAG_DELIVERY == "git-sync":
        # Where the first checkout fails, the sidecar never starts and the init container has the words.
        started = any(item.get("started") for item in pod["status"].get("containerStatuses", []))
        container, window = ("git-sync", ["--since=3m"]) if started else ("git-sync-init", [])
    try:
        log = kubectl("logs", name, "-c", container, "--tail=200", *window, timeout=10)
    except ClusterError as problem:
        return unknown(f"what {container} says: {problem}")
    signs = ('"error":',) if answers.DAG_DELIVERY == "git-sync" else ("GitCommandError", "fatal:")
    errors = [line for line in log.splitlines() if any(sign in line for sign in signs)]
    if errors:
        what, cure = explained("\n".join(errors))
        return broken(f"{container} in {name}: {what}", cure)
    return fine(f"{container} in {name} reports no error")


def airflow_table(command: str) -> list[dict]:
    """Run an airflow command in the cluster and return its table. ClusterError if it prints none."""
    where = ("exec", f"deployment/{answers.RELEASE}-api-server", "--container=api-server", "--")
    # `list-import-errors` fails when it has something to list.
    printed = kubectl(*where, "sh", "-c", f"airflow {command} --output json || true", timeout=90)
    start = printed.find("[{")  # log lines may come first
    if start >= 0:
        return json.loads(printed[start : printed.rfind("]") + 1])
    if "No data found" in printed:
        return []
    raise ClusterError(f"airflow {command} prints no table: {printed.strip()[-200:]}")


def dags_in_airflow() -> Iterator[Finding]:
    errors = airflow_table("dags list-import-errors")
    for error in errors:
        words = str(error.get("error") or error.get("stacktrace") or "?").strip().splitlines()[-1]
        yield broken(f"Airflow cannot import {error.get('filepath', 'a file')}: {words}", "make test")
    dags = airflow_table("dags list")
    if not dags and not errors:
        yield broken("Airflow knows no DAG yet", "wait a minute; then see what pods have: make pod-dags")
    for dag in dags:
        if str(dag.get("is_paused")).lower() == "true":
            name = dag["dag_id"]
            unpause = f"{KUBECTL} exec deployment/{answers.RELEASE}-api-server -- airflow dags unpause {name}"
            yield broken(f"the DAG {name} is paused: it shows up and does not run", unpause)
    if dags and not errors:
        yield fine(f"Airflow lists {', '.join(sorted(dag['dag_id'] for dag in dags))}")
