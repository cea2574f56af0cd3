"""What the release's pods are doing, in a few words each; and what they have: `make pod-dags`."""

import json
import re
import sys
from contextlib import suppress
from dataclasses import dataclass

from etl_tools import answers
from etl_tools.cluster.helm_values import paths
from etl_tools.cluster.kubectl import ClusterError, done, kubectl, show_cluster
from etl_tools.secrets.git_server import git

STARTING = ("PodInitializing", "ContainerCreating")
REVISION = "deployment.kubernetes.io/revision"

# Run in the pod: the commit and the files it has, then what Airflow made of them.
CHECKOUT = (
    'checkout=$(readlink -e ${AIRFLOW_HOME:-/opt/airflow}/dags/repo); commit=$(basename "$checkout")'
    if answers.DAG_DELIVERY == "git-sync"
    else "bundles=${AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH:-/tmp/airflow/dag_bundles}; "
    f"checkout=$bundles/{answers.SLUG}/tracking_repo; commit=$(git -C $checkout rev-parse HEAD)"
)
SHOW_DAGS = f"""
fail() {{ echo "$*" >&2; exit 1; }}
exec 3>&1
airflow_says() {{ said=$(airflow dags "$@" --output plain 2>&1 1>&3); }}
{CHECKOUT} && test -d "$checkout" || fail "the repository is not fetched yet: make logs-sync says why"
echo "$commit"
cd "$checkout/{answers.DAGS_SUBPATH}" || fail "commit $commit has no folder {answers.DAGS_SUBPATH}/"
echo "Python files in {answers.DAGS_SUBPATH}:"
find . -name '*.py' | sort | sed 's|^./|  |'
echo; echo "DAGs that Airflow lists:"
airflow_says list || echo "  airflow dags list failed: ${{said##*$'\n'}}"
echo; echo "Import errors:"
airflow_says list-import-errors || true
"""


@dataclass(frozen=True)
class Pod:
    """A pod as a person wants to see it: `ready`, and in `words` what it does or waits for.

    ``failed`` is the container that ended with an error, ``secret`` the missing Secret that it waits for.
    """

    name: str
    ready: bool
    words: str
    failed: str = ""
    secret: str = ""


def pods() -> list[Pod]:
    """Return the release's pods that are meant to stay: not those of single tasks, not those that go."""
    items = json.loads(kubectl("get", "replicasets,pods", "--output=json", timeout=30))["items"]
    sets = [item for item in items if item["kind"] == "ReplicaSet"]
    # The last one that each Deployment has made; while its pods start, those before them do the work, and one
    # of these that does not is about to go.
    sets.sort(key=lambda item: int(item["metadata"].get("annotations", {}).get(REVISION, 0)))
    newest = {owner(item): item["metadata"]["name"] for item in sets}
    replaced = {item["metadata"]["name"] for item in sets} - set(newest.values())
    kept = [item for item in items if item["kind"] == "Pod" and stays(item, replaced)]
    there = None
    if not all(is_ready(item["status"]) for item in kept):
        with suppress(ClusterError):  # not everybody may list Secrets
            there = kubectl("get", "secrets", "--output=name", timeout=30).split()
    return sorted((view(item, there) for item in kept), key=lambda pod: pod.name)


def owner(item: dict) -> str:
    return item["metadata"].get("ownerReferences", [item["metadata"]])[0]["name"]


def stays(item: dict, replaced: set[str]) -> bool:
    labels = item["metadata"].get("labels", {})
    ours = answers.RELEASE in (labels.get("release"), labels.get("app.kubernetes.io/instance"))
    goes = item["status"].get("phase") == "Succeeded" or "deletionTimestamp" in item["metadata"]
    goes = goes or (owner(item) in replaced and not is_ready(item["status"]))
    return ours and not goes and "dag_id" not in labels


def is_ready(status: dict) -> bool:
    main = status.get("containerStatuses", [])
    return bool(main) and all(container["ready"] for container in main)


def view(item: dict, secrets: list[str] | None) -> Pod:
    """Return a pod's state; ``secrets`` are those of the namespace (secret/NAME), None if not known."""
    name = item["metadata"]["name"]
    if is_ready(item["status"]):
        return Pod(name, True, "ready")
    for path, source in paths(item["spec"]) if secrets is not None else ():
        kind = path.rpartition(".")[2]
        if kind in ("secret", "secretKeyRef", "secretRef") and not source.get("optional"):
            secret = source.get("secretName") or source["name"]
            if f"secret/{secret}" not in secrets:
                return Pod(name, False, f"waits for Secret {secret}", secret=secret)
    return Pod(name, False, *waiting_for(item))


def waiting_for(item: dict) -> tuple[str, str]:
    """Return why a pod is not ready (the first reason that Kubernetes names) and which container failed."""
    status = item["status"]
    volumes = [volume.get("persistentVolumeClaim", {}) for volume in item["spec"].get("volumes", [])]
    claims = ", ".join(claim["claimName"] for claim in volumes if claim)
    for condition in status.get("conditions", []):
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            message = condition.get("message", condition.get("reason", ""))
            if claims and re.search("persistentvolumeclaim|volume node affinity", message, re.IGNORECASE):
                return f"waits for its volume: {claims}", ""
            return f"no place on a node: {message}", ""
    first = status.get("initContainerStatuses", [])
    containers = first + status.get("containerStatuses", [])
    for container in containers:
        name, state = container["name"], container.get("state", {})
        waiting, ended = state.get("waiting", {}), state.get("terminated", {})
        if waiting.get("reason") and waiting["reason"] not in STARTING:
            words = f"{name}: {waiting['reason']} {waiting.get('message', '')}".strip()
            return words, name if waiting["reason"] == "CrashLoopBackOff" else ""
        if ended.get("exitCode"):
            return f"{name}: ended with {ended['exitCode']} {ended.get('reason', '')}".strip(), name
    running = [container["name"] for container in first if container.get("state", {}).get("running")]
    # Until its startup probe has passed, a container runs and is not "started".
    if running or any(container.get("state", {}).get("running") for container in containers):
        return f"runs {running[0]}" if running else "starts", ""
    return "waits for a node, its image" + (f" or its volume: {claims}" if claims else ""), ""


def pod_dags() -> None:
    """Print what the DAG processor's pod has, beside what is here; ClusterError says what failed there."""
    show_cluster()
    in_pod = ("exec", f"deployment/{answers.RELEASE}-dag-processor", "--container=dag-processor", "--")
    try:
        commit, _, rest = kubectl(*in_pod, "bash", "-c", SHOW_DAGS, timeout=180).partition("\n")
    except ClusterError as problem:
        words = [str(problem)]
        with suppress(ClusterError):  # the same failure once more
            found = [pod for pod in pods() if "-dag-processor-" in pod.name and not pod.ready]
            words += [f"{pod.name}: {pod.words}" for pod in found]
        raise ClusterError(f"{'; '.join(words)}. More: make doctor") from None
    here = git("rev-parse", "--verify", "--quiet", "HEAD").stdout.strip()
    print(f"Commit in the pod: {commit}\nCommit here:       {here or 'none yet'}")
    if here != commit:
        print(f"They differ. Pushed to {answers.GIT_BRANCH}, half a minute ago? Then: make logs-sync")
    print(rest, end="")


if __name__ == "__main__":
    sys.exit(done("pod-dags", pod_dags))
