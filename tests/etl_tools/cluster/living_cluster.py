"""fake_cluster.py with a memory, for the scenario without a cluster: run as kubectl or as helm, by its name.

What is deployed, deleted, scaled and restarted stays so in the folder FAKE_CLUSTER, as recordings show it (states.py);
commands for pods run here, with the programs of pod_programs.py. All else is asked of fake_cluster.py (FAKE_TOOLS). It
shows that the scenario's own code runs, and nothing of a real cluster.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

STATE, FAKE = Path(os.environ["FAKE_CLUSTER"]), Path(os.environ["FAKE_TOOLS"])
WELL = json.loads((STATE / "well.json").read_text(encoding="utf-8"))["items"]


def load(name, default):
    path = STATE / name
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else default


def store(name, content):
    (STATE / name).write_text(json.dumps(content), encoding="utf-8")


def fail(text):
    return sys.exit(text)


def delete(namespace, words):
    kind, names = words[1], [word for word in words[2:] if not word.startswith("-")]
    if kind == "secret":
        objects = load("objects.json", {})
        for name in names:
            del objects[f"{namespace}/secret/{name}"]
        store("objects.json", objects)
    elif kind == "deployment":
        kept = [item for item in load("pods.json", []) if not item["metadata"]["name"].startswith(tuple(names))]
        store("pods.json", kept)
    else:
        return False
    return True


def patch(namespace, words):
    objects, change = load("objects.json", {}), json.loads(words[words.index("--patch") + 1])
    objects[f"{namespace}/secret/{words[2]}"]["item"]["data"] |= change["data"]
    store("objects.json", objects)
    return True


def scale(namespace, words):
    store("scaled.json", [words[1]])
    store("replicas.json", words[2].partition("=")[2])
    return True


def get(namespace, words):
    if words[1].startswith("deployment/"):
        print(load("replicas.json", "1"), end="")
    elif words[1] == "secrets" and words[2] == "--output=json":
        objects = load("objects.json", {})
        print(json.dumps({"items": [one["item"] for key, one in objects.items() if "/secret/" in key]}))
    elif words[1] == "persistentvolumeclaims":
        claims = [key.split("/")[2] for key in load("objects.json", {}) if "/persistentvolumeclaim/" in key]
        print(*(f"persistentvolumeclaim/{name}" for name in claims), sep="\n")
    elif words[1] == "pods" and words[2].startswith("--selector=component="):
        component = words[2].rpartition("component=")[2].partition(",")[0]
        pods = [item for item in load("pods.json", []) if item["kind"] == "Pod"]
        chosen = [item for item in pods if item["metadata"]["labels"].get("component") == component]
        print(json.dumps({"items": chosen}))
    else:
        return False
    return True


def rollout(namespace, words):
    items = [item for item in load("pods.json", []) if "deletionTimestamp" not in item["metadata"]]
    pods = [item for item in items if item["kind"] == "Pod"]
    if words[1] == "status":
        main = [pod["status"].get("containerStatuses") for pod in pods]
        waiting = [one for one in main if not one or not all(now["ready"] for now in one)]
        return fail("error: timed out waiting for the condition") if waiting else False
    old = json.loads(json.dumps(pods))
    for pod, goes in zip(pods, old, strict=True):
        # As on a real cluster, the pod that goes is there for a while beside the new one.
        if pod["metadata"]["labels"].get("component") == "api-server":
            goes["metadata"]["deletionTimestamp"] = "2026-11-29T02:41:18Z"
            pod["metadata"]["name"] += "-new"
            items.append(goes)
    store("pods.json", items)
    print("restarted")
    return True


def execute(namespace, words):
    environment = os.environ | load("pod-environment.json", {})
    environment["PATH"] = f"{STATE}/pod-programs:{os.environ['PATH']}"
    sys.exit(subprocess.run(words[words.index("--") + 1 :], env=environment, check=False).returncode)


def upgrade(namespace, words):
    done = subprocess.run([FAKE / "helm", *sys.argv[1:]], check=False)
    if not done.returncode:
        for name in ("scaled.json", "replicas.json"):
            (STATE / name).unlink(missing_ok=True)
        store("releases.json", [{"name": "airflow", "chart": "airflow"}])
        workloads = [item for item in WELL if item["kind"] in ("Deployment", "StatefulSet")]
        (STATE / "manifest.yaml").write_text("\n---\n".join(json.dumps(item) for item in workloads))
    sys.exit(done.returncode)


def template(namespace, words):
    return fail("Error: no chart is here")


def uninstall(namespace, words):
    store("pods.json", [])
    (STATE / "releases.json").unlink()
    return False


KNOWN = {
    "kubectl": {"delete": delete, "patch": patch, "scale": scale, "get": get, "rollout": rollout, "exec": execute},
    "helm": {"upgrade": upgrade, "uninstall": uninstall, "template": template},
}

if __name__ == "__main__":
    tool, (flag, where, *rest) = Path(sys.argv[0]).name, sys.argv[1:]
    assert flag == "--namespace", sys.argv
    if not KNOWN[tool].get(rest[0], lambda *_: False)(where, rest):
        os.execv(FAKE / tool, [str(FAKE / tool), *sys.argv[1:]])
