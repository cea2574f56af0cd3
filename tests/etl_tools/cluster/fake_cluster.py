"""Stands in for a cluster in the tests: run as kubectl or as helm, by its name.

No Kubernetes API server comes from a package registry, so what only a cluster can answer is answered from the folder
FAKE_CLUSTER, with recordings of a real one (states.py) and in the form that kubectl 1.35 and helm 4.1 print. It keeps
the Secrets that it is given, with each key's owners, as server-side apply does. What needs no cluster is passed on to
the real tools. Each call is written down in calls.jsonl with what it was given on standard input. What is not known
here fails: nothing succeeds by accident.

tests/etl_tools/cluster/real/ asks the same of a real API server.
"""

import itertools
import json
import os
import sys
import time
from pathlib import Path

STATE = Path(os.environ["FAKE_CLUSTER"])
HOW_TO_RESOLVE = (
    "\nPlease review the fields above--they currently have other managers. Here\nare the ways you can resolve this"
)
# What a deploy leaves where nothing goes wrong: a release that was recorded (states.py), nine pods.
WELL = json.loads((STATE / "well.json").read_text(encoding="utf-8"))


def answer(name, default=""):
    path = STATE / name
    return path.read_text(encoding="utf-8") if path.exists() else default


def fail(text):
    print(text, file=sys.stderr)
    sys.exit(1)


def stored():
    return json.loads(answer("objects.json", "{}"))


def store(objects):
    (STATE / "objects.json").write_text(json.dumps(objects, indent=1), encoding="utf-8")


def apply(namespace, words, given):
    """kubectl apply: server-side as the API server merges it, or in the client's way, which always wins here."""
    import site  # most calls need neither, and all are counted in milliseconds

    site.main()
    import yaml

    manager = next((word.partition("=")[2] for word in words if word.startswith("--field-manager=")), "kubectl")
    objects = stored()
    for item in filter(None, yaml.safe_load_all(given)):
        kind, name = item["kind"].lower(), item["metadata"]["name"]
        there = item["metadata"].get("namespace", namespace)
        if there != namespace:
            fail(
                f'the namespace from the provided object "{there}" does not match the namespace "{namespace}". '
                f"You must pass '--namespace={there}' to perform this operation."
            )
        if not answer("namespace") and "--server-side" in words:
            fail(f'Error from server (NotFound): namespaces "{namespace}" not found')
        before = objects.get(f"{namespace}/{kind}/{name}")
        if "--server-side" not in words:
            print(f"{kind}/{name} {'unchanged' if before else 'created'}")
            objects.setdefault(f"{namespace}/{kind}/{name}", {"item": item, "owners": {}})
            store(objects)
            continue
        before = before or {"item": item | {"data": {}}, "owners": {}}
        data, owners = before["item"]["data"], before["owners"]
        wanted = item.get("data", {})
        taken = [
            (key, other)
            for key, value in wanted.items()
            for other in owners.get(key, [])
            if other != manager and data[key] != value
        ]
        if taken and "--force-conflicts" not in words:
            (key, other), count = taken[0], len(taken)
            fail(
                f"error: Apply failed with {count} conflict{'s' * (count > 1)}: "
                f'conflict with "{other}" using v1: .data.{key}{HOW_TO_RESOLVE}'
            )
        for key, value in wanted.items():
            others = [other for other in owners.get(key, []) if data[key] == value and other != manager]
            data[key], owners[key] = value, [*others, manager]
        for key in [key for key in owners if key not in wanted and manager in owners[key]]:
            owners[key].remove(manager)  # what its only manager no longer applies goes
            if not owners[key]:
                del owners[key], data[key]
        objects[f"{namespace}/{kind}/{name}"] = {"item": item | {"data": data}, "owners": owners}
        print(f"{kind}/{name} serverside-applied")
        if not answer("apply-does-nothing"):
            store(objects)


def get_secrets(namespace, names):
    objects = stored()
    found = [objects[f"{namespace}/secret/{name}"]["item"] for name in names if f"{namespace}/secret/{name}" in objects]
    if len(names) == 1 and found:
        print(json.dumps(found[0]))
    elif found:
        print(json.dumps({"apiVersion": "v1", "items": found, "kind": "List", "metadata": {"resourceVersion": ""}}))


def events(flags):
    """The events that a field selector leaves."""
    (selector,) = [flag.partition("=")[2] for flag in flags if flag.startswith("--field-selector=")]
    wanted = dict(part.split("=") for part in selector.split(","))
    shown = [
        item | {"involvedObject.kind": item["involvedObject"]["kind"]}
        for item in json.loads(answer("events.json", "[]"))
    ]
    return [item for item in shown if all(item[name] == value for name, value in wanted.items())]


def workloads(items, label=None):
    """Deployments and StatefulSets as kubectl names them, those with this label."""
    return [
        f"{item['kind'].lower()}.apps/{item['metadata']['name']}"
        for item in items
        if item["kind"] in ("Deployment", "StatefulSet") and (not label or label in item["metadata"]["labels"])
    ]


def table(items):
    """The pods as kubectl prints them for people."""
    rows = [("NAME", "READY", "STATUS")]
    for item in [item for item in items if item["kind"] == "Pod"]:
        main = item["status"].get("containerStatuses", [])
        ready = f"{sum(each['ready'] for each in main)}/{len(main)}"
        rows.append((f"pod/{item['metadata']['name']}", ready, item["status"]["phase"]))
    return [f"{name:44} {ready:7} {status}" for name, ready, status in rows]


def kubectl(namespace, words, given):
    flags = [word for word in words if word.startswith("-")]
    if words[:2] == ["auth", "can-i"]:
        print(answer("can-i", "yes"))
        sys.exit(0 if answer("can-i", "yes") == "yes" else 1)
    if words == ["get", "deployments,statefulsets", "--output=name"]:
        print(*workloads(json.loads(answer("pods.json", "[]"))), sep="\n")
    elif words[:2] == ["get", "events"]:
        print(json.dumps({"items": events(flags)}))
    elif words[:2] == ["get", "deployments,statefulsets,jobs,replicasets,pods"]:
        print(json.dumps({"items": json.loads(answer("pods.json", "[]"))}))
    elif words == ["get", "pods", "--selector=component=dag-processor,release=airflow", "--output=json"]:
        pods = json.loads(answer("pods.json", "[]"))
        chosen = [item for item in pods if item["metadata"].get("labels", {}).get("component") == "dag-processor"]
        print(json.dumps({"items": chosen}))
    elif words[:2] == ["get", "pods,persistentvolumeclaims"]:
        print(*table(json.loads(answer("pods.json", "[]"))), sep="\n")
    elif words[:2] == ["get", "secret"]:
        assert flags == ["--ignore-not-found", "--output=json"], flags
        get_secrets(namespace, [word for word in words[2:] if not word.startswith("-")])
    elif words == ["get", "secrets", "--output=name"]:
        print(*(f"secret/{key.split('/')[2]}" for key in stored() if key.startswith(f"{namespace}/secret/")), sep="\n")
    elif words[0] == "apply":
        if answer("apply-fails"):
            fail(answer("apply-fails"))
        apply(namespace, words, given)
    elif words[:2] == ["create", "namespace"]:
        if answer("create-namespace-fails"):
            fail(answer("create-namespace-fails"))
        if answer("namespace"):
            fail(f'Error from server (AlreadyExists): namespaces "{words[2]}" already exists')
        (STATE / "namespace").write_text(f"namespace/{words[2]}\n")
        print(f"namespace/{words[2]} created")
    elif words[:2] == ["delete", "job"]:
        pass
    elif words[:2] == ["delete", "pod"]:
        items = json.loads(answer("pods.json", "[]"))
        kept = [item for item in items if item["metadata"]["name"] not in words]
        (STATE / "pods.json").write_text(json.dumps(kept))
    elif words[0] == "rollout":
        if answer("rollout-waits"):
            (STATE / "waiting").touch()
            time.sleep(60)
        assert words[2:4] == ["deployment,statefulset", "--selector=release=airflow"], words
        for name in workloads(WELL["items"], "release"):
            print(
                f"{name} restarted"
                if words[1] == "restart"
                else f"{name.replace('.apps/', ' ')} successfully rolled out"
            )
    elif words[0] == "port-forward" and answer("port-forward-fails"):
        fail(answer("port-forward-fails"))
    elif words[0] == "port-forward" and answer("port"):
        print(f"Forwarding from 127.0.0.1:{answer('port')} -> 8080", flush=True)
        time.sleep(600)
    elif words[0] == "exec":
        if answer("exec-fails"):
            fail(answer("exec-fails"))
        import subprocess

        # The script for the pod runs here, for real.
        command = words[words.index("--") + 1 :]
        if answer("exec-cuts"):
            done = subprocess.run(command, check=False, capture_output=True)
            sys.stdout.buffer.write(done.stdout[: int(answer("exec-cuts"))])
            # The two streams are two streams: one may arrive whole.
            sys.stderr.buffer.write(done.stderr if answer("exec-keeps-stderr") else b"")
            sys.exit(0)
        # All of them, or those whose script has this word.
        if answer("exec-does-nothing") and answer("exec-does-nothing", "").strip("0yes") in " ".join(command):
            sys.exit(0)
        sys.exit(subprocess.run(command, check=False).returncode)
    elif words[0] == "logs":
        given_as = [word.partition("=")[2] for word in words if word.startswith("--container=")]
        given_as += [word for before, word in itertools.pairwise(words) if before == "-c"]
        container = (given_as or [""])[0]
        print(answer("logs", WELL["logs"].get(container, "")), end="")
    elif words[0] == "port-forward":
        print(f"Forwarding from 127.0.0.1:{words[2].partition(':')[0]} -> 8080", flush=True)
    else:
        fail(f"fake cluster: no answer to kubectl {' '.join(words)}")


def helm(namespace, words, given):
    if words[0] == "version" and answer("helm-version"):
        print(answer("helm-version"))
    elif words[0] in ("version", "template", "lint", "show"):
        real = os.environ["REAL_HELM"]
        os.execv(real, [real, *sys.argv[1:]])
    elif words[0] in ("upgrade", "rollback"):
        if answer("helm-hangs"):
            time.sleep(float(answer("helm-hangs")))
        if answer("helm-fails"):
            fail(answer("helm-fails"))
        for name in json.loads(answer("scaled.json", "[]")):
            if "--force-conflicts" not in words:
                fail(
                    f"Error: UPGRADE FAILED: conflict occurred while applying object {namespace}/{name} apps/v1, "
                    'Kind=StatefulSet: Apply failed with 1 conflict: conflict with "kubectl" with subresource "scale" '
                    "using apps/v1: .spec.replicas"
                )
        (STATE / "pods.json").write_text(answer("pods-after.json", json.dumps(WELL["items"])))
    elif words[:2] == ["list", "--pending"]:
        print(answer("pending.json", "[]"))
    elif words[0] == "list":
        releases = json.loads(answer("releases.json", "[]"))
        as_table = "".join(f"{release['name']}\tdeployed\t{release.get('chart')}\n" for release in releases)
        print("airflow" * bool(releases) if "--short" in words else as_table)
    elif words[:2] == ["get", "manifest"]:
        if not answer("releases.json"):
            fail("Error: release: not found")
        print(answer("manifest.yaml"), end="")
    elif words[0] == "history" and "--output=json" in words:
        print(
            answer(
                "history.json",
                json.dumps([{"revision": 1, "status": "superseded"}, {"revision": 2, "status": "deployed"}]),
            )
        )
    elif words[0] == "history":
        print("REVISION\tSTATUS\n1\tsuperseded\n2\tdeployed")
    elif words[0] == "uninstall":
        print(f'release "{words[1]}" uninstalled')
    else:
        fail(f"fake cluster: no answer to helm {' '.join(words)}")


def main():
    tool, words = Path(sys.argv[0]).name, sys.argv[1:]
    context = words.pop(0) if words[0].startswith(("--context=", "--kube-context=")) else ""
    assert words[0] == "--namespace", words
    namespace, words = words[1], words[2:]
    # What a pod gets on its standard input is the pod's.
    given = "" if words[0] == "exec" or sys.stdin is None or sys.stdin.isatty() else sys.stdin.read()
    with (STATE / "calls.jsonl").open("a", encoding="utf-8") as calls:
        calls.write(json.dumps([tool, *words, given]) + "\n")
    if context:
        with (STATE / "contexts").open("a", encoding="utf-8") as contexts:
            contexts.write(f"{tool} {context}\n")
    if words[:2] == ["config", "view"]:  # needs no cluster
        real = os.environ["REAL_HELM"].removesuffix("helm") + "kubectl"
        os.execv(real, [real, *sys.argv[1:]])
    if answer("unreachable") and words[0] not in ("version", "template", "lint"):
        fail(answer("unreachable"))
    {"kubectl": kubectl, "helm": helm}[tool](namespace, words, given)


if __name__ == "__main__":
    main()
