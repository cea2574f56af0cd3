"""Stands in for a cluster in the tests of `make deploy` and its like: run as kubectl or as helm, by its name.

No Kubernetes API server comes from a package registry, so what only a cluster can answer is answered from the folder
FAKE_CLUSTER, in the very form that the real tools print. What needs no cluster is passed on to the real helm. Each
call is written down in calls.jsonl with what it was given on standard input.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

STATE = Path(os.environ["FAKE_CLUSTER"])


def answer(name, default=""):
    path = STATE / name
    return path.read_text(encoding="utf-8") if path.exists() else default


def fail(text):
    print(text, file=sys.stderr)
    sys.exit(1)


def kubectl(words):
    if words[:2] == ["auth", "can-i"]:
        print(answer("can-i", "yes"))
        sys.exit(0 if answer("can-i", "yes") == "yes" else 1)
    if words[:2] == ["get", "pods"]:
        print(json.dumps({"items": json.loads(answer("pods.json", "[]"))}))
    elif words[:2] == ["get", "persistentvolumeclaims"]:
        print(json.dumps({"items": json.loads(answer("claims.json", "[]"))}))
    elif words[:2] == ["get", "deployments,statefulsets"]:
        print("deployment.apps/airflow-scheduler\nstatefulset.apps/airflow-worker")
    elif words[:2] == ["get", "namespace"]:
        print(answer("namespace"), end="")
    elif words[0] == "rollout":
        print(f"{words[2]} successfully rolled out")
    elif words[0] == "exec":
        # The script for the pod runs here, for real.
        sys.exit(subprocess.call(words[words.index("--") + 1 :]))
    elif words[0] == "port-forward":
        print(f"Forwarding from 127.0.0.1:{answer('port')} -> 8080", flush=True)
        time.sleep(60)


def helm(words):
    if words[0] == "version" and answer("helm-version"):
        print(answer("helm-version"))
    elif words[0] in ("version", "template", "lint"):
        real = os.environ["REAL_HELM"]
        os.execv(real, [real, *sys.argv[1:]])
    elif words[0] in ("upgrade", "rollback"):
        if answer("helm-hangs"):
            time.sleep(60)
        if answer("helm-fails"):
            fail(answer("helm-fails"))
        (STATE / "pods.json").write_text(answer("pods-after.json", "[]"))
    elif words[0] == "list":
        print(answer("releases.json", "[]"))
    elif words[:2] == ["get", "manifest"]:
        print(answer("manifest.yaml"), end="")
    elif words[0] == "history":
        print("REVISION\tSTATUS\n1\tsuperseded\n2\tdeployed")
    elif words[0] == "uninstall":
        print(f'release "{words[1]}" uninstalled')


def main():
    tool, words = Path(sys.argv[0]).name, sys.argv[1:]
    assert words[:2] == ["--namespace", "etl"], words
    words = words[2:]
    given = "" if sys.stdin is None or sys.stdin.isatty() else sys.stdin.read()
    with (STATE / "calls.jsonl").open("a", encoding="utf-8") as calls:
        calls.write(json.dumps([tool, *words, given]) + "\n")
    if answer("unreachable"):
        fail(answer("unreachable"))
    {"kubectl": kubectl, "helm": helm}[tool](words)


if __name__ == "__main__":
    main()
