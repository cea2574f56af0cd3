"""What the release's pods are doing, in a few words each; and what they have: `make pod-dags`."""

import json
import re
import sys
from contextlib import suppress
from dataclasses import dataclass

from etl_tools import answers
from etl_tools.cluster.helm_values import paths
from etl_tools.cluster.kubectl import ClusterError, Item, in_pod, kubectl, run_in_cluster, show_cluster
from etl_tools.secrets.git_server import git_output

STARTING = ("PodInitializing", "ContainerCreating")
REVISION = "deployment.kubernetes.io/revision"
FETCHES = "git-sync" if answers.DAG_DELIVERY == "git-sync" else "dag-processor"
LISTED = "deployments,statefulsets,jobs,replicasets,pods"
# What comes before the reason, and is another text for each pod.
REFUSAL = r"^(\(combined from similar events\): )?"
REFUSAL += r'(Error creating: |Create Pod \S+ in StatefulSet \S+ failed error: )?(pods "[^"]*" is forbidden: )?'

# Run in the pod: the commit and the files it has, then what Airflow made of them.
CHECKOUT = (
    'checkout=$(readlink -e ${AIRFLOW_HOME:-/opt/airflow}/dags/repo || true); commit=$(basename "$checkout")'
    if answers.DAG_DELIVERY == "git-sync"
    else "bundles=${AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH:-/tmp/airflow/dag_bundles}; "
    f"checkout=$bundles/{answers.SLUG}/tracking_repo; commit=$(git -C $checkout rev-parse HEAD)"
)
SHOW_DAGS = f"""
fail() {{ echo "$*" >&2; exit 1; }}
exec 3>&1
run_airflow() {{ message=$(airflow dags "$@" --output plain 2>&1 1>&3); }}
{CHECKOUT} && test -d "$checkout" || fail "the repository is not fetched yet: make logs-sync says why"
echo "$commit"
cd "$checkout/{answers.DAGS_SUBPATH}" || fail "commit $commit has no folder {answers.DAGS_SUBPATH}/"
echo "Python files in {answers.DAGS_SUBPATH}:"
find . -name '*.py' | sort | sed 's|^./|  |'
echo; echo "DAGs that Airflow lists:"
run_airflow list || echo "  airflow dags list failed: ${{message##*$'\n'}}"
echo; echo "Import errors:"
# It fails when it has something to list, too: in a table with this column.
printed=$(airflow dags list-import-errors --output plain 2>&1) || grep -Eq "^(filepath|bundle_name)" <<< "$printed" ||
  printed="  airflow dags list-import-errors failed: ${{printed##*$'\n'}}"
echo "$printed"
"""


@dataclass(frozen=True)
class Pod:
    """A pod as a person wants to see it: `ready`, and in `words` what it does or waits for.

    ``failed`` is the container that ended with an error, ``secret`` the missing Secret that it waits for,
    ``cause`` what pods that are not ready may share: a kind, and what it is about. A Deployment, StatefulSet
    or Job that lacks pods is one, too, named KIND/NAME.
    """

    name: str
    ready: bool
    words: str
    failed: str = ""
    secret: str = ""
    cause: tuple[str, str] = ("", "")

    @property
    def stale(self) -> bool:
        """Of an older revision, and in the way of the new one: a StatefulSet waits until it is ready."""
        return self.cause[0] == "stale"


def pods() -> list[Pod]:
    """Return the release's pods that are meant to stay, and what of the release lacks pods.

    Not those of single tasks, not those that go, not those of a Job that is done.
    """
    items = json.loads(kubectl("get", LISTED, "--output=json", timeout=30))["items"]
    sets = [item for item in items if item["kind"] == "ReplicaSet"]
    # The last one that each Deployment has made; while its pods start, those before them do the work, and one
    # of these that does not is about to go.
    sets.sort(key=lambda item: int(item["metadata"].get("annotations", {}).get(REVISION, 0)))
    newest = {owner(item): item["metadata"]["name"] for item in sets}
    replaced = {item["metadata"]["name"] for item in sets} - set(newest.values())
    done = {item["metadata"]["name"] for item in items if item["kind"] == "Job" and is_done(item)}
    kept = [item for item in items if item["kind"] == "Pod" and stays(item, replaced, done)]
    there = None
    if not all(is_ready(item["status"]) for item in kept):
        with suppress(ClusterError):  # not everybody may list Secrets
            there = kubectl("get", "secrets", "--output=name", timeout=30).split()
    stateful = {item["metadata"]["name"]: item["status"] for item in items if item["kind"] == "StatefulSet"}
    found = [view(item, there, stateful.get(owner(item), {})) for item in kept]
    return sorted([*found, *lacking(items, kept, newest)], key=lambda pod: pod.name)


def owner(item: Item, key: str = "name") -> str:
    return str(item["metadata"].get("ownerReferences", [item["metadata"] | {"kind": ""}])[0][key])


def is_ours(item: Item) -> bool:
    labels = item["metadata"].get("labels", {})
    return answers.RELEASE in (labels.get("release"), labels.get("app.kubernetes.io/instance"))


def stays(item: Item, replaced: set[str], done: set[str]) -> bool:
    goes = item["status"].get("phase") == "Succeeded" or "deletionTimestamp" in item["metadata"]
    goes = goes or (owner(item) in replaced and not is_ready(item["status"]))
    if owner(item, "kind") == "Job":
        ended = [now.get("state", {}).get("terminated") for now in item["status"].get("containerStatuses", [])]
        goes = goes or owner(item) in done or (ended and all(now and now["exitCode"] == 0 for now in ended))
    return is_ours(item) and not goes and "dag_id" not in item["metadata"].get("labels", {})


def condition(item: Item, kind: str, status: str = "True") -> Item:
    """Return an object's condition of this kind, if it has this status; {} otherwise."""
    conditions = item.get("status", {}).get("conditions", [])
    return next((one for one in conditions if (one["type"], one["status"]) == (kind, status)), {})


def is_done(job: Item) -> bool:
    return bool(condition(job, "Complete"))


def is_old(pod: Item, status: Item) -> bool:
    """Is a pod of a StatefulSet with this status of another revision than the newest?"""
    newest = status.get("updateRevision")
    return bool(pod["metadata"].get("labels", {}).get("controller-revision-hash", newest) != newest)


def is_ready(status: Item) -> bool:
    """Are all containers ready, and does their node still say so?"""
    main = status.get("containerStatuses", [])
    lost = condition({"status": status}, "Ready", "False")
    return bool(main) and all(container["ready"] for container in main) and not lost


def lacking(items: list[Item], kept: list[Item], newest: dict[str, str]) -> list[Pod]:
    """Compare what the release should have with what is there; the event or condition says why it is not."""
    found, events = [], None
    for item in items:
        kind, name, status = item["kind"], item["metadata"]["name"], item.get("status", {})
        if kind not in ("Deployment", "StatefulSet", "Job") or not is_ours(item) or is_done(item):
            continue
        wanted = item["spec"].get("replicas", 1) if kind != "Job" else 1
        made_by = {"Deployment": newest.get(name), "StatefulSet": name, "Job": name}[kind]
        there = [pod for pod in kept if owner(pod) == made_by]
        label, count = f"{kind.lower()}/{name}", f"{len(there)} of {wanted} pods"
        # Pods of a StatefulSet come one after the other; the one that is not ready says why.
        in_turn = kind == "StatefulSet" and not all(is_ready(pod["status"]) for pod in there)
        if failure := condition(item, "Failed"):
            if not there:
                found.append(Pod(label, False, f"failed: {failure.get('message', '')}", cause=("job", name)))
        elif len(there) < wanted and not in_turn:
            message = condition(item, "ReplicaFailure").get("message", "")
            if not message:
                events = failed_creates() if events is None else events
                message = events.get((kind, name)) or events.get(("ReplicaSet", newest.get(name, "")), "")
            reason = re.sub(REFUSAL, "", message)
            cause = ("create", reason.split(": ")[0]) if reason else ("", "")
            words = f"{count}: {reason}" if reason else f"starts: {count}"
            found.append(Pod(label, False, words, cause=cause))
        elif item["spec"].get("paused") and status.get("updatedReplicas", 0) < wanted:
            found.append(Pod(label, False, "its rollout is paused", cause=("paused", label)))
        elif not in_turn and (old := sum(is_old(pod, status) for pod in there)):
            found.append(Pod(label, False, f"starts: {old} of {wanted} pods are of an older revision"))
    return found


def failed_creates() -> dict[tuple[str, str], str]:
    """Return what could not make a pod (kind, name) → why, by the last event that says so."""
    shown = {}
    with suppress(ClusterError):  # not everybody may list events
        selector = "--field-selector=reason=FailedCreate"
        shown = json.loads(kubectl("get", "events", selector, "--output=json", timeout=30))
    events = sorted(shown.get("items", []), key=lambda event: event.get("lastTimestamp") or "")
    return {(event["involvedObject"]["kind"], event["involvedObject"]["name"]): event["message"] for event in events}


def view(item: Item, secrets: list[str] | None, stateful: Item) -> Pod:
    """Return a pod's state; ``secrets`` are those of the namespace (secret/NAME), None if not known.

    ``stateful`` is the status of the StatefulSet that the pod belongs to.
    """
    name, status = item["metadata"]["name"], item["status"]
    runs = any(is_running(now) for now in main_containers(status))
    if runs and owner(item, "kind") == "Job":
        return Pod(name, False, "at work")
    if is_ready(status):
        return Pod(name, True, "ready")
    # One whose container runs has something to lose, and may become ready.
    if is_old(item, stateful) and not runs:
        words = f"is of an older revision and not ready, and the new one waits for it; {waiting_for(item)[0]}"
        return Pod(name, False, words, cause=("stale", ""))
    for path, source in paths(item["spec"]):
        kind = path.rpartition(".")[2]
        if kind in ("secret", "secretKeyRef", "secretRef") and not source.get("optional"):
            secret = source.get("secretName") or source["name"]
            if secrets is not None and f"secret/{secret}" not in secrets:
                return Pod(name, False, f"waits for Secret {secret}", secret=secret)
    words, failed, cause = waiting_for(item)
    return Pod(name, False, words, failed, cause=cause)


def main_containers(status: Item) -> list[Item]:
    found: list[Item] = status.get("containerStatuses", [])
    return found


def is_running(container: Item) -> bool:
    return "running" in container.get("state", {})


def waiting_for(item: Item) -> tuple[str, str, tuple[str, str]]:
    """Return why a pod is not ready (the first reason that is named), which container failed, the cause."""
    status, none = item["status"], ("", "")
    volumes = [volume.get("persistentVolumeClaim", {}) for volume in item["spec"].get("volumes", [])]
    claims = ", ".join(claim["claimName"] for claim in volumes if claim)
    if unplaced := condition(item, "PodScheduled", "False"):
        message = str(unplaced.get("message", unplaced.get("reason", "")))
        if claims and re.search("persistentvolumeclaim|volume node affinity", message, re.IGNORECASE):
            return f"waits for its volume: {claims}", "", ("volume", claims)
        return f"no place on a node: {message}", "", none
    if main_containers(status) and all(container["ready"] for container in main_containers(status)):
        if condition(item, "Ready", "False").get("reason"):  # of the kubelet, which is about to say otherwise
            return "starts", "", none
        node = item["spec"].get("nodeName", "?")
        return f"its node {node} does not answer", "", ("node", node)
    first = status.get("initContainerStatuses", [])
    containers = first + main_containers(status)
    for container in containers:
        name, state = container["name"], container.get("state", {})
        waiting, ended = state.get("waiting", {}), state.get("terminated", {})
        reason = waiting.get("reason", "")
        before = ended or container.get("lastState", {}).get("terminated", {})
        if before.get("reason") == "OOMKilled" and not container["ready"]:
            # The wait for the migration has the limits of what comes after it, and none of its own.
            about = item["metadata"]["labels"]["component"] if name.startswith("wait-for-") else name
            return f"{name}: ended for want of memory (OOMKilled)", name, ("memory", about)
        if reason and reason not in STARTING:
            words = f"{name}: {reason} {waiting.get('message', '')}".strip()
            cause = ("image", container.get("image", "")) if "Image" in reason else none
            return words, name if reason == "CrashLoopBackOff" else "", cause
        if ended.get("exitCode") or (ended and container in main_containers(status)):
            return f"{name}: ended with {ended['exitCode']} {ended.get('reason', '')}".strip(), name, none
    running = [container["name"] for container in first if is_running(container)]
    # Until its startup probe has passed, a container runs and is not "started".
    if running or any(map(is_running, containers)):
        return f"runs {running[0]}" if running else "starts", "", none
    return "waits for a node, its image" + (f" or its volume: {claims}" if claims else ""), "", none


def pod_dags() -> None:
    """Print what the DAG processor's pod has, beside what is here; ClusterError says what failed there."""
    show_cluster()
    try:
        printed = in_pod("deployment/dag-processor", SHOW_DAGS, shell="bash", timeout=180)
    except ClusterError as problem:
        words = [str(problem)]
        with suppress(ClusterError):  # the same failure once more
            found = [pod for pod in pods() if "-dag-processor-" in pod.name and not pod.ready]
            words += [f"{pod.name}: {pod.words}" for pod in found]
        raise ClusterError(f"{'; '.join(words)}\n  More: make doctor") from None
    commit, _, rest = printed.partition("\n")
    here = git_output("rev-parse", "--verify", "--quiet", "HEAD", none=1).strip()
    print(f"Commit in the pod: {commit}\nCommit here:       {here or 'none yet'}")
    if here != commit:
        print(f"They differ. Pushed to {answers.GIT_BRANCH}, half a minute ago? Then: make logs-sync")
    print(rest, end="")


def logs_sync(follow: bool) -> None:
    """Let kubectl print what fetching the repository says: in the newest pod, the container that it is at."""
    show_cluster(lambda _: None)
    only = f"--selector=component=dag-processor,release={answers.RELEASE}"
    found = json.loads(kubectl("get", "pods", only, "--output=json", timeout=30))["items"]
    found.sort(key=lambda item: item["metadata"].get("creationTimestamp", ""))
    if not found:
        raise ClusterError("there is no pod of the DAG processor: make doctor says why")
    name, status = found[-1]["metadata"]["name"], found[-1]["status"]
    first = status.get("initContainerStatuses", [])
    steps = [now for now in first if now.get("state", {}).get("terminated", {}).get("exitCode") != 0]
    steps += [now for now in main_containers(status) if now["name"] == FETCHES]
    at = steps[0] if steps else {}
    begun = is_running(at) or at.get("state", {}).get("terminated") or at.get("lastState", {}).get("terminated")
    if not begun:
        words = next((pod.words for pod in pods() if pod.name == name), waiting_for(found[-1])[0])
        raise ClusterError(f"{name} has no log yet: {words}. More: make doctor")
    print(f"{name}, container {at['name']}:", file=sys.stderr, flush=True)
    shown = ["logs", name, f"--container={at['name']}", "--tail=100"]
    run_in_cluster("kubectl", [*shown, "--follow"] if follow else shown)
