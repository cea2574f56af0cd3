"""What the release's pods are doing, in a few words each."""

import json
from dataclasses import dataclass

from tools import answers
from tools.cluster.kubectl import kubectl

STARTING = ("PodInitializing", "ContainerCreating")


@dataclass(frozen=True)
class Pod:
    """A pod as a person wants to see it: `ready`, and in `words` what it does or waits for."""

    name: str
    ready: bool
    words: str
    restarts: int = 0


def pods() -> list[Pod]:
    """Return the release's pods that are meant to stay: not those of single tasks, not those that go."""
    items = json.loads(kubectl("get", "pods", "--output=json", timeout=30))["items"]
    return sorted((view(item) for item in items if counts(item)), key=lambda pod: pod.name)


def counts(item: dict) -> bool:
    labels = item["metadata"].get("labels", {})
    ours = answers.RELEASE in (labels.get("release"), labels.get("app.kubernetes.io/instance"))
    stays = item["status"].get("phase") != "Succeeded" and "deletionTimestamp" not in item["metadata"]
    return ours and stays and "dag_id" not in labels


def view(item: dict) -> Pod:
    status = item["status"]
    first, main = status.get("initContainerStatuses", []), status.get("containerStatuses", [])
    ready = bool(main) and all(container["ready"] for container in main)
    restarts = sum(container.get("restartCount", 0) for container in first + main)
    words = "ready" if ready else waiting_for(status, first, main)
    return Pod(item["metadata"]["name"], ready, words, restarts)


def waiting_for(status: dict, first: list[dict], main: list[dict]) -> str:
    """Return why a pod is not ready: the first reason that Kubernetes names."""
    for condition in status.get("conditions", []):
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return f"no place on a node: {condition.get('message', condition.get('reason', ''))}"
    for container in first + main:
        waiting, ended = (container.get("state", {}).get(state, {}) for state in ("waiting", "terminated"))
        if waiting.get("reason") and waiting["reason"] not in STARTING:
            return f"{container['name']}: {waiting['reason']} {waiting.get('message', '')}".strip()
        if ended.get("exitCode"):
            return f"{container['name']}: ended with {ended['exitCode']} {ended.get('reason', '')}".strip()
    for container in first:
        if container.get("state", {}).get("running"):
            return f"runs {container['name']}"
    return "starts" if main and any(container.get("started") for container in main) else "is made"


def claims_without_volume() -> list[str]:
    """Return the volume claims that have no volume yet, with their storage class."""
    items = json.loads(kubectl("get", "persistentvolumeclaims", "--output=json", timeout=30))["items"]
    pending = [item for item in items if item["status"].get("phase") == "Pending"]
    return [f"{item['metadata']['name']} ({storage(item['spec'])})" for item in pending]


def storage(spec: dict) -> str:
    return f"storage class {spec.get('storageClassName', 'by default')}, {', '.join(spec['accessModes'])}"
