"""What the release's pods are doing, in a few words each."""

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from tools import answers
from tools.cluster.kubectl import ClusterError, kubectl

STARTING = ("PodInitializing", "ContainerCreating")
REVISION = "deployment.kubernetes.io/revision"


@dataclass(frozen=True)
class Pod:
    """A pod as a person wants to see it: `ready`, and in `words` what it does or waits for.

    ``failed`` is the container that ended with an error, ``secret`` the missing Secret that it waits for.
    """

    name: str
    ready: bool
    words: str
    restarts: int = 0
    failed: str = ""
    secret: str = ""


def get(kinds: str) -> list[dict]:
    return json.loads(kubectl("get", kinds, "--output=json", timeout=30))["items"]


def pods() -> list[Pod]:
    """Return the release's pods that are meant to stay: not those of single tasks, not those that go."""
    items = get("replicasets,pods")
    replaced = old_replica_sets([item for item in items if item["kind"] == "ReplicaSet"])
    kept = [item for item in items if item["kind"] == "Pod" and stays(item, replaced)]
    there = None
    if not all(is_ready(item["status"]) for item in kept):
        with suppress(ClusterError):  # not everybody may list Secrets
            there = kubectl("get", "secrets", "--output=name", timeout=30).split()
    return sorted((view(item, there) for item in kept), key=lambda pod: pod.name)


def old_replica_sets(items: list[dict]) -> set[str]:
    """Return the names of those that their Deployment has replaced by a newer one."""
    newest = {}
    for item in sorted(items, key=lambda item: int(item["metadata"].get("annotations", {}).get(REVISION, 0))):
        newest[owner(item)] = item["metadata"]["name"]
    return {item["metadata"]["name"] for item in items} - set(newest.values())


def owner(item: dict) -> str:
    return next(
        (one["name"] for one in item["metadata"].get("ownerReferences", [])), item["metadata"]["name"]
    )


def stays(item: dict, replaced: set[str]) -> bool:
    labels = item["metadata"].get("labels", {})
    ours = answers.RELEASE in (labels.get("release"), labels.get("app.kubernetes.io/instance"))
    goes = item["status"].get("phase") == "Succeeded" or "deletionTimestamp" in item["metadata"]
    # While the new pods start, those before them do the work; one of them that does not is about to go.
    goes = goes or (owner(item) in replaced and not is_ready(item["status"]))
    return ours and not goes and "dag_id" not in labels


def is_ready(status: dict) -> bool:
    main = status.get("containerStatuses", [])
    return bool(main) and all(container["ready"] for container in main)


def secrets_of(spec: object) -> Iterator[str]:
    """Yield the names of the Secrets without which a pod of this specification cannot start."""
    if isinstance(spec, list):
        for item in spec:
            yield from secrets_of(item)
    elif isinstance(spec, dict):
        for key, value in spec.items():
            if key not in ("secret", "secretKeyRef", "secretRef"):
                yield from secrets_of(value)
            elif not value.get("optional"):
                yield value.get("secretName") or value["name"]


def view(item: dict, secrets: list[str] | None) -> Pod:
    """Return a pod's state; ``secrets`` are those of the namespace (secret/NAME), None if not known."""
    name, status = item["metadata"]["name"], item["status"]
    containers = status.get("initContainerStatuses", []) + status.get("containerStatuses", [])
    restarts = sum(container.get("restartCount", 0) for container in containers)
    if is_ready(status):
        return Pod(name, True, "ready", restarts)
    for secret in secrets_of(item["spec"]) if secrets is not None else ():
        if f"secret/{secret}" not in secrets:
            return Pod(name, False, f"waits for Secret {secret}", restarts, secret=secret)
    words, failed = waiting_for(item, containers)
    return Pod(name, False, words, restarts, failed)


def waiting_for(item: dict, containers: list[dict]) -> tuple[str, str]:
    """Return why a pod is not ready (the first reason that Kubernetes names) and which container failed."""
    volumes = [volume.get("persistentVolumeClaim", {}) for volume in item["spec"].get("volumes", [])]
    claims = ", ".join(claim["claimName"] for claim in volumes if claim)
    for condition in item["status"].get("conditions", []):
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            message = condition.get("message", condition.get("reason", ""))
            if claims and re.search("persistentvolumeclaim|volume node affinity", message, re.IGNORECASE):
                return f"waits for its volume: {claims}", ""
            return f"no place on a node: {message}", ""
    for container in containers:
        name, state = container["name"], container.get("state", {})
        waiting, ended = state.get("waiting", {}), state.get("terminated", {})
        if waiting.get("reason") and waiting["reason"] not in STARTING:
            words = f"{name}: {waiting['reason']} {waiting.get('message', '')}".strip()
            return words, name if waiting["reason"] == "CrashLoopBackOff" else ""
        if ended.get("exitCode"):
            return f"{name}: ended with {ended['exitCode']} {ended.get('reason', '')}".strip(), name
    for container in item["status"].get("initContainerStatuses", []):
        if container.get("state", {}).get("running"):
            return f"runs {container['name']}", ""
    if any(container.get("started") for container in containers):
        return "starts", ""
    if not containers:
        return "waits for a node", ""
    return f"waits for its volume ({claims}) or its image" if claims else "waits for its image", ""


def claims_without_volume() -> list[str]:
    """Return the volume claims that have no volume yet, with their storage class."""
    pending = [item for item in get("persistentvolumeclaims") if item["status"].get("phase") == "Pending"]
    return [f"{item['metadata']['name']} ({storage(item['spec'])})" for item in pending]


def storage(spec: dict) -> str:
    return f"storage class {spec.get('storageClassName', 'by default')}, {', '.join(spec['accessModes'])}"
