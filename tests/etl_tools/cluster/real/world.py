"""A person with a checkout, a cluster and a git server: what the scenario asks of them.

`World` is a real one: the cluster of KUBECONFIG, and a git server that it brings along as a pod. In that of
tests/etl_tools/cluster/dry.py recordings answer.
"""

import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import yaml

from tests.conftest import bake_into, clean_environment
from tests.etl_tools.cluster import helm_chart

GIT_SERVER = Path(__file__).with_name("git_server.py")
KEPT = ("KUBECONFIG", "CHART", "TIMEOUT", "HOME")
# Value of the chart → what comes behind the address of a registry that has all of them (TEST_CLUSTER_IMAGES).
IMAGES = {
    ("defaultAirflowRepository",): "/apache/airflow",
    ("images", "gitSync", "repository"): "/git-sync/git-sync",
    ("images", "statsd", "repository"): "/prometheus/statsd-exporter",
    ("images", "redis", "repository"): "/redis",
    ("postgresql", "image", "registry"): "",
}
OURS = {"podSelector": {"matchLabels": {"tier": "airflow", "release": "airflow"}}}
POLICIES = {("networkPolicies", "enabled"): True, ("apiServer", "networkPolicy", "ingress", "from"): [OURS]}


def nested(values):
    """Return values by path as a values file has them."""
    tree = {}
    for path, value in values.items():
        inner = tree
        for key in path[:-1]:
            inner = inner.setdefault(key, {})
        inner[path[-1]] = value
    return tree


class World:
    """`namespace` gets the release; the git server is in a namespace beside it."""

    make_words = ("make",)
    patience, pause = 600, 2
    content = "Nothing is broken"

    def __init__(self, folder, namespace, executor, delivery):
        self.folder, self.namespace, self.executor, self.delivery = folder, namespace, executor, delivery
        self.tools = helm_chart.tools()
        self.seconds = {}
        self.keys = []
        self.environment = {name: os.environ[name] for name in KEPT if name in os.environ}
        self.environment |= {"CONTEXT": ""}
        # The cluster's network enforces policies.
        self.policies = os.environ.get("TEST_CLUSTER_POLICIES") == "yes"

    def begin(self):
        """Start the git server and bake a project for it."""
        self.start_git()
        self.project = self.bake()
        return self

    # --- The checkout

    def bake(self):
        """Bake a project for this cluster; what a laptop and a test cluster have to differ in is written down here."""
        project = bake_into(
            self.folder,
            project_slug="quakes",
            namespace=self.namespace,
            git_access="ssh-deploy-key",
            git_repo=self.url,
            executor=self.executor,
            dag_delivery=self.delivery,
        )
        values = project / "helm/values.yaml"
        # The days in the repository: a night without the earthquake service is no night without a cluster.
        text = values.read_text()
        assert text.count("value: usgs") == 1
        values.write_text(text.replace("value: usgs", "value: sample"))
        if self.policies:
            self.overlay(project, "policies", POLICIES)
        if registry := os.environ.get("TEST_CLUSTER_IMAGES"):
            self.overlay(project, "images", {path: f"{registry}{image}" for path, image in IMAGES.items()})
        return project

    def overlay(self, project, name, values):
        """Let a further values file go over helm/values.yaml: path → value."""
        (project / f"helm/values.{name}.yaml").write_text(yaml.safe_dump(nested(values)))
        self.environment["VALUES"] = f"{self.environment.get('VALUES', 'helm/values.yaml')} helm/values.{name}.yaml"

    def without_overlay(self, name):
        (self.project / f"helm/values.{name}.yaml").unlink()
        self.environment["VALUES"] = self.environment["VALUES"].replace(f" helm/values.{name}.yaml", "")

    def page(self, name="deploy"):
        return (self.project / f"docs/{name}.md").read_text()

    def beside(self, name):
        """Return a second person's world: a clone without keys, the same cluster."""
        other = object.__new__(type(self))
        other.__dict__ = self.__dict__ | {"project": self.folder / name, "environment": dict(self.environment)}
        self.git("clone", "--quiet", self.project, other.project)
        return other

    @property
    def push_url(self):
        return self.url

    def commit(self, name, text):
        """Write a file, commit it and push."""
        (self.project / name).write_text(text)
        self.git("add", name)
        self.git("commit", "--quiet", "--no-verify", "-m", name)
        self.git("push", "--quiet", "origin", "main")

    def git(self, *words):
        done = subprocess.run(
            ["git", *words], cwd=self.project, env=clean_environment() | self.pushes(), capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def type(self, line, expect=0, answer="", **environment):
        """Type a line as a page or doctor prints it; return what it prints."""
        words = " ".join(self.make_words)
        script = f'make() {{ command {words} "$@"; }}\n{line}'
        path = f"{self.tools}:{os.environ['PATH']}"
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=self.project,
            env=clean_environment() | {"PATH": path} | self.environment | self.pushes() | environment,
            input=answer,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        # What a pod's log has is not this project's.
        assert "Traceback" not in done.stdout or "logs-sync" in line, done.stdout
        assert expect is None or done.returncode == expect, f"{line} ended with {done.returncode}:\n{done.stdout}"
        return done.stdout

    def started(self, line):
        """Start a line that goes on until Ctrl-C."""
        path = f"{self.tools}:{os.environ['PATH']}"
        environment = clean_environment() | {"PATH": path} | self.environment
        words = [*self.make_words, *line.split()[1:]]
        return subprocess.Popen(words, cwd=self.project, env=environment, start_new_session=True)

    @staticmethod
    def stop(process):
        os.killpg(process.pid, signal.SIGINT)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise

    # --- The cluster

    def kubectl(self, *words, check=True, namespace=None, **options):
        command = [self.tools / "kubectl", "--namespace", namespace or self.namespace, *words]
        environment = clean_environment() | self.environment
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, **options)
        assert not check or done.returncode == 0, f"kubectl {' '.join(words)}: {done.stdout}{done.stderr}"
        return done.stdout

    def doctor(self):
        """Return what is broken → the line below it, by `make doctor` as a person types it."""
        report = self.type("make doctor", expect=None)
        return dict(re.findall(r"^\N{BALLOT X} (.*)\n {4}(.*)$", report, re.MULTILINE))

    def wait_until(self, what, condition, seconds=None):
        """Return what `condition` returns as soon as that is true; note how long it took.

        One that fails is asked again: a pod may go just while it is asked.
        """
        began, limit = time.monotonic(), seconds or self.patience
        while True:
            result, problem = None, ""
            try:
                result = condition()
            except AssertionError as failed:
                problem = f": {failed}"
            if result:
                self.seconds[what] = time.monotonic() - began
                return result
            assert time.monotonic() - began < limit, f"{what}: not within {limit} s{problem}"
            time.sleep(self.pause)

    def airflow(self, *words):
        """Return the table that Airflow prints in the API server's pod."""
        printed = self.kubectl("exec", "deployment/airflow-api-server", "--", "airflow", *words, "--output", "json")
        # Log lines may come first, and begin with a bracket, too.
        for start in re.finditer(r"^\[(?=[\]{])", printed, re.MULTILINE):
            return json.JSONDecoder().raw_decode(printed, start.start())[0]
        raise AssertionError(f"airflow {' '.join(words)} prints no table: {printed}")

    def pods(self, component):
        """Return the names of a component's pods that stay: one that is asked to go is there for a while."""
        listed = json.loads(self.kubectl("get", "pods", f"--selector=component={component}", "--output=json"))
        return {item["metadata"]["name"] for item in listed["items"] if "deletionTimestamp" not in item["metadata"]}

    def new_pods(self, component, before):
        """Wait until none of the pods before is left, and there are others."""
        return self.wait_until(
            f"new pods of {component}", lambda: (now := self.pods(component)) and now.isdisjoint(before)
        )

    def secrets(self):
        """Return the project's Secrets: name → version, which grows with every write, and content."""
        listed = json.loads(self.kubectl("get", "secrets", "--output=json"))["items"]
        return {
            item["metadata"]["name"]: (item["metadata"].get("resourceVersion"), item["data"])
            for item in listed
            if item["metadata"]["name"].startswith("quakes-")
        }

    def data(self):
        """Return the files on the data volume, read in a pod that mounts it for that: not every executor has one."""
        claims = {"volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "quakes-data"}}]}
        pod = self.pod("data", ["find", "/data", "-type", "f"], claims, [{"name": "data", "mountPath": "/data"}])
        self.kubectl("apply", "--filename=-", input=json.dumps(pod))
        phase = ("get", "pod/data", "--output=jsonpath={.status.phase}")
        ended = self.wait_until(
            "the pod that lists the data has ended",
            lambda: (now := self.kubectl(*phase)) in ("Succeeded", "Failed") and now,
        )
        printed = self.kubectl("logs", "pod/data")
        self.kubectl("delete", "pod", "data", "--wait=true")
        assert ended == "Succeeded", printed
        return printed.splitlines()

    def reaches(self, service, port):
        """Tell whether a pod that is not of the release reaches one of its services."""
        space = f"{self.namespace}-git"
        host = service if "." in service else f"{service}.{self.namespace}"
        ask = f"import socket; socket.create_connection(('{host}', {port}), 10)"
        done = self.kubectl(
            "exec", "pod/git", "--", "sh", "-c", f'python -c "{ask}" && echo yes', check=False, namespace=space
        )
        return done.strip() == "yes"

    def shows(self, state=None):
        """A real cluster shows by itself what was done to it; recordings have to be told."""

    def remove(self):
        for namespace in (self.namespace, f"{self.namespace}-git"):
            self.kubectl("delete", "namespace", namespace, "--wait=false", "--ignore-not-found", check=False)

    # --- The git server, as a pod

    @property
    def image(self):
        pins = helm_chart.PINS
        registry = os.environ.get("TEST_CLUSTER_IMAGES", "")
        return (
            f"{registry}{'/' * bool(registry)}apache/airflow:{pins['_airflow_version']}-python{pins['_python_version']}"
        )

    def pod(self, name, command, spec, mounts):
        """Return a pod of Airflow's image that passes Pod Security `restricted`."""
        security = {"runAsNonRoot": True, "runAsUser": 50000, "seccompProfile": {"type": "RuntimeDefault"}}
        container = {"name": "main", "image": self.image, "command": command, "volumeMounts": mounts}
        container["securityContext"] = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
        spec = spec | {
            "restartPolicy": "Never",
            "containers": [container],
            "securityContext": security | {"fsGroup": 0},
        }
        return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": name}}, "spec": spec}

    def start_git(self):
        """Start the server where laptop and pods reach it by one address: a port of the first node."""
        space = f"{self.namespace}-git"
        self.kubectl("create", "namespace", space)
        # Made a moment after its namespace; without it a pod is refused.
        account = ("get", "serviceaccount", "default", "--output=name")
        self.wait_until("the namespace is ready", lambda: self.kubectl(*account, namespace=space), 60)
        script = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "server"}}
        script["data"] = {GIT_SERVER.name: GIT_SERVER.read_text()}
        mounts = [{"name": "server", "mountPath": "/server"}, {"name": "srv", "mountPath": "/srv/git"}]
        volumes = [{"name": "server", "configMap": {"name": "server"}}, {"name": "srv", "emptyDir": {}}]
        command = ["python", f"/server/{GIT_SERVER.name}", "/srv/git", "2222"]
        ports = {"type": "NodePort", "selector": {"app": "git"}, "ports": [{"port": 2222}]}
        service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "git"}, "spec": ports}
        for item in (script, self.pod("git", command, {"volumes": volumes}, mounts), service):
            self.kubectl("apply", "--filename=-", input=json.dumps(item), namespace=space)
        self.kubectl("wait", "pod/git", "--for=condition=Ready", f"--timeout={self.patience}s", namespace=space)
        self.wait_until(
            "the git server listens", lambda: "listening" in self.kubectl("logs", "pod/git", namespace=space)
        )
        port = self.kubectl("get", "service", "git", "--output=jsonpath={.spec.ports[0].nodePort}", namespace=space)
        node = '--output=jsonpath={.items[0].status.addresses[?(@.type=="InternalIP")].address}'
        # With two families of addresses there are two.
        host = os.environ.get("TEST_CLUSTER_NODE") or self.kubectl("get", "nodes", node).split()[0]
        self.url = f"ssh://git@{host}:{port}/quakes.git"
        self.person = self.folder / "person"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.person], check=True)
        self.register()

    def register(self, *public_keys):
        """Let these keys read, and a person's own write: what is typed into a git host's page."""
        self.keys = list(public_keys)
        lines = [f"writes {self.person.with_name('person.pub').read_text().strip()}"]
        lines += [f"reads {key.strip()}" for key in public_keys]
        write = ["exec", "--stdin", "pod/git", "--", "sh", "-c", "cat > /srv/git/authorized_keys"]
        self.kubectl(*write, input="\n".join(lines) + "\n", namespace=f"{self.namespace}-git")

    def pushes(self):
        """Return what git needs for a person's own key."""
        options = "-o IdentitiesOnly=yes -o StrictHostKeyChecking=accept-new"
        known = self.folder / "persons_known_hosts"
        return {"GIT_SSH_COMMAND": f"ssh -i {self.person} {options} -o UserKnownHostsFile={known}"}
