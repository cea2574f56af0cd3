"""A baked project beside a stand-in for its cluster (fake_cluster.py)."""

import base64
import json
import sys

import yaml

from tests.conftest import TEMPLATE
from tests.etl_tools import in_process
from tests.etl_tools.cluster import states

ANSWERS = {"project_slug": "quakes", "namespace": "etl", "git_repo": "git@github.com:acme/quakes.git"}
# Imported, it is compiled once; without this environment's packages, Python starts in half the time.
STAND_IN = f"""#!{sys.executable} -IS
import sys
sys.path.insert(0, {str(TEMPLATE / "tests" / "etl_tools" / "cluster")!r})
import fake_cluster
fake_cluster.main()
"""
SERVER = "https://10.0.0.1:6443"


def kubeconfig(path, context="here", **servers):
    """Write a kubeconfig with a context for each server, one of them current."""
    servers = servers or {context: SERVER}
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": context,
        "clusters": [{"name": name, "cluster": {"server": server}} for name, server in servers.items()],
        "contexts": [{"name": name, "context": {"cluster": name, "user": "me"}} for name in servers],
        "users": [{"name": "me", "user": {"token": "none"}}],
    }
    path.write_text(yaml.safe_dump(content))
    return str(path)


class Cluster:
    """One cluster, and the project that deploys to it: `beside` gives the same cluster another checkout."""

    def __init__(self, project, folder, real_helm):
        self.project, self.folder, self.real_helm = project, folder, real_helm
        self.state, tools = folder / "state", folder / "tools"
        self.state.mkdir(parents=True, exist_ok=True)
        tools.mkdir(exist_ok=True)
        for name in ("kubectl", "helm"):
            script = tools / name
            script.write_text(STAND_IN)
            script.chmod(0o755)
        self["well.json"] = states.STATES["healthy"]
        self.environment = {
            "KUBECTL": str(tools / "kubectl"),
            "HELM": str(tools / "helm"),
            "FAKE_CLUSTER": str(self.state),
            "REAL_HELM": str(real_helm),
            "KUBECONFIG": kubeconfig(folder / "kubeconfig"),
            # Of git servers only those on disk and, where a test says so, its own are asked.
            "GIT_ALLOW_PROTOCOL": "file",
        }

    def beside(self, project):
        return Cluster(project, self.folder, self.real_helm)

    def __setitem__(self, name, content):
        text = content if isinstance(content, str) else json.dumps(content)
        (self.state / name).write_text(text, encoding="utf-8")

    def make(self, *words, expect=0, constants=(), **environment):
        """Run a target; return what it printed. Most of them run in this process."""
        environment = self.environment | environment
        printed = in_process.make(self.project, *words, expect=expect, constants=constants, **environment)
        assert "Traceback" not in printed
        return printed

    def calls(self, tool):
        """Return what a tool was asked, in order: its words, and last its standard input."""
        path = self.state / "calls.jsonl"
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        return [call[1:] for call in map(json.loads, lines) if call[0] == tool]

    def forget_calls(self):
        (self.state / "calls.jsonl").unlink(missing_ok=True)

    def writes(self):
        """Return the calls that change something in the cluster."""
        changing = (
            "apply",
            "create",
            "delete",
            "rollout",
            "exec",
            "upgrade",
            "rollback",
            "uninstall",
            "scale",
            "patch",
        )
        return [call for tool in ("kubectl", "helm") for call in self.calls(tool) if call[0] in changing]

    def secrets(self, namespace="etl"):
        """Return Secret → key → content, as the cluster keeps them."""
        path = self.state / "objects.json"
        objects = json.loads(path.read_text()) if path.exists() else {}
        return {
            key.split("/")[2]: {name: base64.b64decode(value) for name, value in found["item"]["data"].items()}
            for key, found in objects.items()
            if key.startswith(f"{namespace}/secret/")
        }

    def put_secret(self, name, data, manager="somebody", namespace="etl"):
        """Keep a Secret that others made."""
        path = self.state / "objects.json"
        objects = json.loads(path.read_text()) if path.exists() else {}
        item = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": namespace}}
        item["data"] = {key: base64.b64encode(content).decode() for key, content in data.items()}
        objects[f"{namespace}/secret/{name}"] = {"item": item, "owners": {key: [manager] for key in data}}
        path.write_text(json.dumps(objects))
        self["namespace"] = f"namespace/{namespace}\n"
