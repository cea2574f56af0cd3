"""helm/values.production.yaml: whoever has to reach a pod does, and nobody else, by the rendered NetworkPolicies."""

import base64
import copy

import pytest
import yaml

from tests.conftest import secret_manifests
from tests.etl_tools.cluster import helm_chart
from tests.etl_tools.cluster.network_policies import Connection, Network, Peer, allows
from tests.etl_tools.cluster.test_helm_values import complete, overlaid

EXECUTORS = ["LocalExecutor", "CeleryExecutor", "KubernetesExecutor"]
EXPOSED = ["port-forward", "nodeport", "airflow.example.com"]
DATABASE = "postgresql://air:flow@db.example.com:5432/airflow"
AUTHORITY = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"


@pytest.fixture
def network(bake_fresh):
    """Return a function: answers → the network of the production release; `change` edits the values first."""

    def build(change=lambda values: None, sslmode="require", **answers):
        answers = {"git_access": "ssh-deploy-key", "data_root": "s3://bucket/etl", "expose": "port-forward"} | answers
        project = bake_fresh(**complete(answers))
        (project / "secrets" / "database_url").write_text(f"{DATABASE}?sslmode={sslmode}\n")
        if sslmode == "verify-full":
            (project / "secrets" / "database_ca.crt").write_text(AUTHORITY)
        secrets = {
            (item["metadata"]["name"], key): base64.b64decode(value).decode()
            for item in secret_manifests(project)
            for key, value in item["data"].items()
        }
        texts = [(project / "helm" / name).read_text("utf-8") for name in ("values.yaml", "values.production.yaml")]
        values = overlaid(*map(yaml.safe_load, texts))
        change(values)
        return Network(helm_chart.objects(helm_chart.render(values, "etl")), secrets, "etl")

    return build


def without_our_rules(values):
    """Take away what this project says about policies: the chart's own are left."""
    for component, key in (
        ("apiServer", "networkPolicy"),
        ("statsd", "extraNetworkPolicies"),
        ("pgbouncer", "extraNetworkPolicies"),
    ):
        values.get(component, {}).pop(key, None)


@pytest.mark.chart
@pytest.mark.parametrize("expose", EXPOSED)
@pytest.mark.parametrize("dag_delivery", ["git-sync", "git-dag-bundle"])
@pytest.mark.parametrize("executor", EXECUTORS)
def test_who_needs_to_reach_a_pod_does(network, executor, dag_delivery, expose):
    release = network(executor=executor, dag_delivery=dag_delivery, expose=expose)
    needed = release.needed()
    assert release.denied(needed) == set()
    # Nothing was overlooked: the hosts that are no pods of this release are these.
    assert release.unknown_hosts == {"127.0.0.1"} | ({"db.example.com"} if executor == "CeleryExecutor" else set())
    # And what was found has what any release has.
    tasks = {"LocalExecutor": "scheduler", "CeleryExecutor": "worker", "KubernetesExecutor": "task-pod"}[executor]
    airflow = {"scheduler", "dag-processor", "triggerer", tasks}
    assert needed >= {Connection(name, "api-server", 8080) for name in airflow}
    for name in airflow | {"api-server", "run-airflow-migrations", "create-user-job", "database-cleanup"}:
        assert needed >= {Connection(name, "pgbouncer", 6543), Connection(name, "statsd", 9125, "UDP")}, name
    assert needed >= {Connection("Prometheus", "statsd", 9102), Connection("Prometheus", "pgbouncer", 9127)}
    logs = {one.target for one in needed if one.source == "api-server" and one.port in (8793, 8794)}
    assert logs == {"triggerer", tasks} - {"task-pod"}
    broker = {one.source for one in needed if one.target == "redis"}
    assert broker == ({"scheduler", "worker"} if executor == "CeleryExecutor" else set())
    outer = {one.source for one in needed if one.target == "api-server"} & release.elsewhere.keys()
    assert outer == {"port-forward": set(), "nodeport": {"outside"}}.get(expose, {"ingress controller"})


@pytest.mark.chart
@pytest.mark.parametrize("expose", EXPOSED)
@pytest.mark.parametrize("executor", EXECUTORS)
def test_nobody_else_does(network, executor, expose):
    release = network(executor=executor, dag_delivery="git-sync", expose=expose)
    beyond = release.open_beyond(release.needed())
    # Airflow's own pods may reach the API server, PgBouncer and StatsD with all that these serve.
    strangers = {one for one in beyond if one.source in release.elsewhere}
    # One rule of the chart's has all ports of PgBouncer, and both of StatsD. KEDA needs PgBouncer for verify-full.
    beside = {("Prometheus", "pgbouncer", 6543), ("Prometheus", "statsd", 9125)}
    beside |= {("KEDA", "pgbouncer", port) for port in (6543, 9127) if executor == "CeleryExecutor"}
    assert {(one.source, one.target, one.port) for one in strangers if one.target != "api-server"} == beside
    # What is to be seen from outside is open to all: it asks for a password.
    reach = {one.source for one in strangers if one.target == "api-server"}
    assert reach == (set() if expose == "port-forward" else release.elsewhere.keys() - outer(release))
    # Log files are for the API server, the broker for scheduler and workers.
    assert not {one for one in beyond if one.port in (8793, 8794, 6379)}


def outer(release):
    return {one.source for one in release.needed() if one.target == "api-server"} & release.elsewhere.keys()


@pytest.mark.chart
@pytest.mark.parametrize("executor", EXECUTORS)
def test_the_chart_s_own_rules_lock_the_api_server(network, executor):
    """What was wrong: without rules of ours nobody reaches the API server, and Prometheus nothing at all."""
    release = network(without_our_rules, executor=executor, dag_delivery="git-sync", expose="airflow.example.com")
    needed = release.needed()
    denied = release.denied(needed)
    assert {one for one in needed if one.target == "api-server"} <= denied
    assert {one.source for one in denied if one.target == "api-server"} >= {
        "scheduler",
        "dag-processor",
        "triggerer",
        "ingress controller",
    }
    assert {one.target for one in denied if one.source == "Prometheus"} == {"statsd", "pgbouncer"}
    assert {one.target for one in denied} == {"api-server", "statsd", "pgbouncer"}


@pytest.mark.chart
@pytest.mark.parametrize("ours", [True, False], ids=["as it is", "without the namespace"])
def test_keda_reaches_pgbouncer_where_it_has_to(network, ours):
    def change(values):
        if not ours:
            del values["workers"]["celery"]["keda"]["namespaceLabels"]

    release = network(change, sslmode="verify-full", executor="CeleryExecutor", dag_delivery="git-sync")
    needed = release.needed()
    connection = Connection("KEDA", "pgbouncer", 6543)
    assert connection in needed
    assert release.denied(needed) == (set() if ours else {connection})


@pytest.mark.chart
def test_a_misspelt_host_is_seen(network):
    def misspell(values):
        values.setdefault("config", {}).setdefault("metrics", {})["statsd_host"] = "airflow-statds"

    release = network(misspell, executor="LocalExecutor", dag_delivery="git-sync")
    release.needed()
    assert "airflow-statds" in release.unknown_hosts


# --- The evaluator itself, by the words of the API's documentation.
SERVER = Peer(
    "server",
    "etl",
    {"app": "server"},
    spec={"containers": [{"ports": [{"name": "http", "containerPort": 8080}]}]},
)
CLIENT = Peer("client", "etl", {"app": "client", "tier": "airflow"})
OTHER = Peer("other", "shop", {"app": "client", "tier": "airflow"})
OUTSIDE = Peer("outside", address="203.0.113.9")
POLICY = {
    "kind": "NetworkPolicy",
    "metadata": {"name": "server"},
    "spec": {"podSelector": {"matchLabels": {"app": "server"}}, "policyTypes": ["Ingress"]},
}


def policy(*rules, **spec):
    made = copy.deepcopy(POLICY)
    made["spec"] |= {"ingress": list(rules)} | spec
    return made


def reach(*policies, port=8080, protocol="TCP"):
    """Return who of the three gets through."""
    return [peer.name for peer in (CLIENT, OTHER, OUTSIDE) if allows(list(policies), peer, SERVER, port, protocol)]


ALL = ["client", "other", "outside"]
CASES = {
    "no policy": ([], ALL),
    "a policy for another pod": ([policy(podSelector={"matchLabels": {"app": "x"}})], ALL),
    "a policy without rules": ([POLICY], []),
    "one empty rule": ([policy({})], ALL),
    "from nobody is from all": ([policy({"from": []})], ALL),
    "pods of its own namespace": ([policy({"from": [{"podSelector": {}}]})], ["client"]),
    "any namespace": ([policy({"from": [{"namespaceSelector": {}}]})], ["client", "other"]),
    "a namespace by name": (
        [policy({"from": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "shop"}}}]})],
        ["other"],
    ),
    "both selectors in one entry": (
        [policy({"from": [{"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": "none"}}}]})],
        [],
    ),
    "two entries are or": (
        [policy({"from": [{"podSelector": {"matchLabels": {"app": "client"}}}, {"ipBlock": {"cidr": "0.0.0.0/0"}}]})],
        ["client", "outside"],
    ),
    "a block with a hole": (
        [policy({"from": [{"ipBlock": {"cidr": "203.0.113.0/24", "except": ["203.0.113.8/29"]}}]})],
        [],
    ),
    "addresses of the other kind": ([policy({"from": [{"ipBlock": {"cidr": "::/0"}}]})], []),
    "two policies add up": (
        [POLICY, policy({"from": [{"podSelector": {"matchLabels": {"tier": "airflow"}}}]})],
        ["client"],
    ),
    "expressions": (
        [
            policy(
                {
                    "from": [
                        {
                            "namespaceSelector": {},
                            "podSelector": {
                                "matchExpressions": [
                                    {"key": "app", "operator": "In", "values": ["client"]},
                                    {"key": "debug", "operator": "DoesNotExist"},
                                    {"key": "tier", "operator": "NotIn", "values": ["web"]},
                                    {"key": "tier", "operator": "Exists"},
                                ]
                            },
                        }
                    ]
                }
            )
        ],
        ["client", "other"],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_evaluator(case):
    policies, expected = CASES[case]
    assert reach(*policies) == expected


@pytest.mark.parametrize(
    ("ports", "through"),
    [
        ([{"port": 8080}], True),
        ([{"port": "http"}], True),
        ([{"port": "metrics"}], False),
        ([{"port": 8081}], False),
        ([{"protocol": "UDP", "port": 8080}], False),
        ([{"protocol": "TCP"}], True),
        ([{"port": 8000, "endPort": 8100}], True),
        ([{"port": 8000, "endPort": 8079}], False),
        ([{"port": 1}, {"port": 8080}], True),
    ],
    ids=str,
)
def test_the_evaluator_s_ports(ports, through):
    assert reach(policy({"ports": ports})) == (ALL if through else [])


def test_a_policy_about_what_leaves_a_pod_is_not_passed_over():
    with pytest.raises(AssertionError):
        reach(policy(policyTypes=["Ingress", "Egress"]))


def test_blocks_of_addresses_count_for_pods_where_nothing_may_get_through():
    everything = [policy({"from": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]})]
    assert not allows(everything, OTHER, SERVER, 8080)
    assert allows(everything, OTHER, SERVER, 8080, by_address=True)
