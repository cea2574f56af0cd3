"""Who reaches whom in a rendered release: Kubernetes' NetworkPolicies, evaluated, and the connections that are needed.

The evaluator follows the API's definition: a pod that no policy selects takes everything, one that a policy selects
takes what a rule of any such policy lets in. What is needed is read from the release itself: a host and a port that a
pod is told (in a variable, a Secret behind one, or airflow.cfg) and that is one of the release's Services.
"""

import configparser
import ipaddress
import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from tests.etl_tools.cluster import helm_chart

# Which commands use what a variable names. Every pod is told the broker, and only these two ask it.
USED_BY = {"AIRFLOW__CELERY__BROKER_URL": ("airflow scheduler", "airflow celery")}
# Who reads log files over the network: the pods with this port.
LOG_READER = "api-server"


@dataclass(frozen=True)
class Peer:
    """A pod, by its namespace and labels, or (without a namespace) an address outside the cluster."""

    name: str
    namespace: str = ""
    labels: dict = field(default_factory=dict, hash=False)
    address: str = "10.1.0.7"
    spec: dict = field(default_factory=dict, hash=False, repr=False, compare=False)

    def container_ports(self):
        return [port for container in self.spec.get("containers", []) for port in container.get("ports") or []]

    def commands(self):
        return [" ".join(container.get("args") or []) for container in self.spec["containers"]]


@dataclass(frozen=True, order=True)
class Connection:
    """A connection: names of both ends, and where it arrives."""

    source: str
    target: str
    port: int
    protocol: str = "TCP"


# --- The evaluator.


def selects(selector, labels):
    """Return whether a label selector matches labels; {} matches all."""
    found = [labels.get(key) == value for key, value in (selector.get("matchLabels") or {}).items()]
    for one in selector.get("matchExpressions") or []:
        here, value = one["key"] in labels, labels.get(one["key"])
        found.append(
            {
                "In": here and value in one.get("values", []),
                "NotIn": not here or value not in one.get("values", []),
                "Exists": here,
                "DoesNotExist": not here,
            }[one["operator"]]
        )
    return all(found)


def _is_from(peer, entry, namespace, by_address):
    if "ipBlock" in entry:
        # Whether a block of addresses matches pods is left to the network plugin: what is needed does not count on it.
        if peer.namespace and not by_address:
            return False
        inside = [
            ipaddress.ip_address(peer.address) in ipaddress.ip_network(block)
            for block in (entry["ipBlock"]["cidr"], *entry["ipBlock"].get("except", []))
            if ipaddress.ip_network(block).version == ipaddress.ip_address(peer.address).version
        ]
        return inside[:1] == [True] and not any(inside[1:])
    if not peer.namespace:
        return False
    of_namespace = (
        selects(entry["namespaceSelector"] or {}, {"kubernetes.io/metadata.name": peer.namespace})
        if "namespaceSelector" in entry
        else peer.namespace == namespace
    )
    return of_namespace and selects(entry.get("podSelector") or {}, peer.labels)


def _is_to(entry, target, port, protocol):
    if entry.get("protocol", "TCP") != protocol:
        return False
    wanted = entry.get("port")
    if isinstance(wanted, str) and not wanted.isdigit():
        wanted = {one["name"]: one["containerPort"] for one in target.container_ports()}.get(wanted)
        return wanted == port
    return wanted is None or int(wanted) <= port <= int(entry.get("endPort", wanted))


def selecting(policies, target):
    """Return the policies that decide what a pod takes."""
    for policy in policies:
        # None of the chart's speaks of what leaves a pod; one that did would need more here.
        assert policy["spec"].get("policyTypes", ["Ingress"]) == ["Ingress"], policy["metadata"]["name"]
    return [
        policy
        for policy in policies
        if policy["metadata"].get("namespace", target.namespace) == target.namespace
        and selects(policy["spec"].get("podSelector") or {}, target.labels)
    ]


def allows(policies, peer, target, port, protocol="TCP", by_address=False):
    """Return whether the policies let a peer reach a pod's port.

    With `by_address` a block of addresses counts for pods too: for asking what must not get through.
    """
    deciding = selecting(policies, target)
    return not deciding or any(
        (not rule.get("from") or any(_is_from(peer, entry, target.namespace, by_address) for entry in rule["from"]))
        and (not rule.get("ports") or any(_is_to(entry, target, port, protocol) for entry in rule["ports"]))
        for policy in deciding
        for rule in policy["spec"].get("ingress") or []
    )


# --- What a release needs.


class Network:
    """The pods, Services and policies of a rendered release, and the connections that it needs."""

    def __init__(self, objects, secrets, namespace):
        self.namespace, self.secrets = namespace, secrets
        by_kind = {}
        for item in objects:
            by_kind.setdefault(item["kind"], []).append(item)
        self.policies = by_kind.get("NetworkPolicy", [])
        self.services = {item["metadata"]["name"]: item for item in by_kind["Service"]}
        self.ingresses = by_kind.get("Ingress", [])
        # The variables that only KEDA's operator reads, out of the worker's.
        self.for_keda = {
            trigger["metadata"]["connectionFromEnv"]
            for item in by_kind.get("ScaledObject", [])
            for trigger in item["spec"]["triggers"]
        }
        self.pods = {
            name: Peer(name, namespace, template["metadata"]["labels"], spec=template["spec"])
            for name, template in helm_chart.pod_templates(objects).items()
        }
        self.config = configparser.ConfigParser(interpolation=None)
        self.config.read_string(helm_chart.config_map(objects, "airflow.cfg"))
        self.elsewhere = {
            "ingress controller": Peer("ingress controller", "ingress", {"app.kubernetes.io/name": "ingress-nginx"}),
            "Prometheus": Peer("Prometheus", "monitoring", {"app.kubernetes.io/name": "prometheus"}),
            "KEDA": Peer("KEDA", "keda", {"app": "keda-operator"}),
            "neighbour": Peer("neighbour", namespace, {"app": "shop"}),
            "stranger": Peer("stranger", "shop", {"app": "shop"}),
            "outside": Peer("outside", address="203.0.113.9"),
        }
        # Hosts that pods are told and that are no Service of the release: a misspelt one must not pass for no need.
        self.unknown_hosts = set()

    def peer(self, name):
        return self.pods.get(name) or self.elsewhere[name]

    def of_service(self, service, port):
        """Yield pod, container port and protocol behind a Service's port, by its number or name."""
        spec = self.services[service]["spec"]
        (entry,) = [one for one in spec["ports"] if port in (one["port"], one.get("name"))]
        for pod in self.pods.values():
            if selects({"matchLabels": spec["selector"]}, pod.labels):
                yield pod, int(entry.get("targetPort", entry["port"])), entry.get("protocol", "TCP")

    def served(self):
        """Yield (pod, port, protocol) of every port that a Service has."""
        for name, service in self.services.items():
            for entry in service["spec"]["ports"]:
                yield from self.of_service(name, entry["port"])

    def _service(self, host):
        name, _, rest = host.partition(".")
        if name in self.services and rest in (
            "",
            *(f"{self.namespace}{end}" for end in ("", ".svc", ".svc.cluster.local")),
        ):
            return name
        self.unknown_hosts.add(host)
        return None

    def _told(self, pod):
        """Yield (host, port, who) of what a pod is told; who is the pod, or KEDA."""
        containers = [*(pod.spec.get("initContainers") or []), *pod.spec["containers"]]
        for container in containers:
            for variable in container.get("env") or []:
                reference = (variable.get("valueFrom") or {}).get("secretKeyRef")
                text = self.secrets.get((reference["name"], reference["key"]), "") if reference else variable["value"]
                users = USED_BY.get(variable["name"])
                if users and not any(user in command for user in users for command in pod.commands()):
                    continue
                for host, port in _addresses(text or ""):
                    yield host, port, "KEDA" if variable["name"] in self.for_keda else pod.name
        mounts = [mount.get("subPath") for container in containers for mount in container.get("volumeMounts") or []]
        if "airflow.cfg" in mounts:
            for section in self.config.values():
                for key, value in section.items():
                    if key.endswith("_host") and f"{key[:-5]}_port" in section:
                        yield value, int(section[f"{key[:-5]}_port"]), pod.name
                    for host, port in _addresses(value):
                        yield host, port, pod.name

    def needed(self):
        """Return the connections without which something does not work."""
        found = set()

        def to_service(source, service, port):
            for target, number, protocol in self.of_service(service, port):
                found.add(Connection(source, target.name, number, protocol))

        for pod in self.pods.values():
            for host, port, source in self._told(pod):
                if service := self._service(host):
                    to_service(source, service, port)
        readers = [
            pod.name for pod in self.pods.values() if LOG_READER in [one["name"] for one in pod.container_ports()]
        ]
        for name, service in self.services.items():
            for entry in service["spec"]["ports"]:
                if entry["name"].endswith("-logs"):
                    for reader in readers:
                        to_service(reader, name, entry["port"])
                if "nodePort" in entry:
                    to_service("outside", name, entry["port"])
            notes = service["metadata"].get("annotations") or {}
            if notes.get("prometheus.io/scrape") == "true":
                to_service("Prometheus", name, int(notes["prometheus.io/port"]))
        for ingress in self.ingresses:
            for rule in ingress["spec"]["rules"]:
                for path in rule["http"]["paths"]:
                    backend = path["backend"]["service"]
                    port = backend["port"]
                    to_service("ingress controller", backend["name"], port.get("name") or port["number"])
        return found

    def denied(self, connections):
        """Return those of the connections that the policies do not let through."""
        return {
            one
            for one in connections
            if not allows(self.policies, self.peer(one.source), self.peer(one.target), one.port, one.protocol)
        }

    def open_beyond(self, connections):
        """Return what the policies let through although it is not needed: any peer, any port that a Service has."""
        return {
            one
            for target, port, protocol in self.served()
            for name, peer in (self.pods | self.elsewhere).items()
            if name != target.name
            and (one := Connection(name, target.name, port, protocol)) not in connections
            and allows(self.policies, peer, target, port, protocol, by_address=True)
        }


def _addresses(text):
    """Yield (host, port) of every URL with a port in a text."""
    for url in re.findall(r"[a-z][a-z0-9+]*://[^\s\"']+", text):
        parts = urlsplit(url)
        if parts.hostname and parts.port:
            yield parts.hostname, parts.port
