"""The rendered pods against Kubernetes' profile *restricted*, their resources, and what may create pods."""

import ast
import copy
import re
from functools import reduce

import pytest
import yaml

from tests.conftest import run
from tests.etl_tools.cluster import helm_chart
from tests.etl_tools.cluster.pod_security import containers, violations
from tests.etl_tools.cluster.test_helm_values import DATA_ROOTS, complete, overlaid

EXECUTORS = ["LocalExecutor", "CeleryExecutor", "KubernetesExecutor"]
DELIVERIES = ["git-sync", "git-dag-bundle"]


@pytest.fixture
def values(bake):
    """Return a function: which files, answers → the values as Helm merges them."""

    def merged(*files, **answers):
        project = bake(**complete({"git_access": "ssh-deploy-key", "data_root": "file:///opt/airflow/data"} | answers))
        return reduce(overlaid, (yaml.safe_load((project / "helm" / name).read_text("utf-8")) for name in files))

    return merged


def pods(values):
    return helm_chart.pod_templates(helm_chart.objects(helm_chart.render(values, "etl")))


def found(values):
    return {name: wrong for name, pod in pods(values).items() if (wrong := violations(pod))}


@pytest.mark.chart
@pytest.mark.parametrize("dag_delivery", DELIVERIES)
@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("files", [("values.yaml",), ("values.yaml", "values.production.yaml")], ids=len)
def test_every_pod_passes_the_restricted_profile(values, files, executor, dag_delivery):
    rendered = values(*files, executor=executor, dag_delivery=dag_delivery)
    assert found(rendered) == {}
    expected = {"api-server", "scheduler", "dag-processor", "triggerer", "statsd", "create-user-job"}
    expected |= {"run-airflow-migrations"} | ({"pgbouncer", "database-cleanup"} if len(files) == 2 else set())
    expected |= {"CeleryExecutor": {"worker", "redis"}, "KubernetesExecutor": {"task-pod"}}.get(executor, set())
    expected |= {"airflow-cleanup-pods"} if executor == "KubernetesExecutor" and len(files) == 2 else set()
    assert pods(rendered).keys() == expected


@pytest.mark.chart
def test_the_chart_s_own_contexts_do_not_pass(values):
    """What was wrong: without this project's values, no pod would be created where the profile is enforced."""
    own = values("values.yaml", "values.production.yaml", executor="CeleryExecutor", dag_delivery="git-sync")
    for above in (own, own["dags"]["gitSync"], own["redis"], own["statsd"], own["pgbouncer"]):
        del above["securityContexts"]
    wrong = found(own)
    assert wrong.keys() == pods(own).keys()
    assert {"runAsNonRoot != true (triggerer)", "seccompProfile (triggerer)"} <= set(wrong["triggerer"])
    for container in ("git-sync", "git-sync-init"):
        assert f"allowPrivilegeEscalation != false ({container})" in wrong["triggerer"]
        assert f"unrestricted capabilities ({container})" in wrong["triggerer"]
    assert "runAsUser=0 (pod)" in wrong["redis"]


@pytest.mark.chart
@pytest.mark.parametrize("dag_delivery", DELIVERIES)
@pytest.mark.parametrize("executor", EXECUTORS)
def test_every_container_in_production_says_what_it_takes(values, executor, dag_delivery):
    rendered = pods(values("values.yaml", "values.production.yaml", executor=executor, dag_delivery=dag_delivery))
    silent = [
        (name, container["name"], kind, what)
        for name, pod in rendered.items()
        for container in containers(pod["spec"])
        for kind, what in (("requests", "cpu"), ("requests", "memory"), ("limits", "memory"))
        if what not in ((container.get("resources") or {}).get(kind) or {})
    ]
    assert silent == []


@pytest.mark.chart
@pytest.mark.parametrize("data_root", DATA_ROOTS, ids=lambda root: root.split(":")[0])
def test_the_ui_is_https_in_production(values, data_root):
    answers = {"executor": "LocalExecutor", "dag_delivery": "git-sync", "expose": "airflow.example.com"}
    merged = values("values.yaml", "values.production.yaml", data_root=data_root, **answers)
    objects = helm_chart.objects(helm_chart.render(merged, "etl"))
    (ingress,) = [item["spec"] for item in objects if item["kind"] == "Ingress"]
    hosts = [rule["host"] for rule in ingress["rules"]]
    assert hosts == ["airflow.example.com"]
    assert ingress["tls"] == [{"hosts": hosts, "secretName": "quakes-tls"}]
    assert "\nbase_url = https://airflow.example.com\n" in helm_chart.config_map(objects, "airflow.cfg")


def may_create_pods(objects):
    """Return the service accounts that a role lets create pods."""
    roles = {
        item["metadata"]["name"]
        for item in objects
        if item["kind"] in ("Role", "ClusterRole")
        for rule in item["rules"] or []
        if {"pods", "*"} & set(rule["resources"]) and {"create", "*"} & set(rule["verbs"])
    }
    return {
        subject["name"]
        for item in objects
        if item["kind"] in ("RoleBinding", "ClusterRoleBinding") and item["roleRef"]["name"] in roles
        for subject in item["subjects"]
    }


def holders(objects):
    """Return the pods in which a token of such a service account is."""
    allowed = may_create_pods(objects)
    accounts = {item["metadata"]["name"]: item for item in objects if item["kind"] == "ServiceAccount"}
    found = set()
    for name, pod in helm_chart.pod_templates(objects).items():
        account = pod["spec"]["serviceAccountName"]
        unsaid = accounts[account].get("automountServiceAccountToken", True)
        if account in allowed and pod["spec"].get("automountServiceAccountToken", unsaid):
            found.add(name)
    return found


@pytest.mark.chart
@pytest.mark.parametrize("files", [("values.yaml",), ("values.yaml", "values.production.yaml")], ids=len)
@pytest.mark.parametrize("executor", EXECUTORS)
def test_the_page_says_which_pods_may_create_pods(bake, values, executor, files):
    answers = {"git_access": "ssh-deploy-key", "data_root": "file:///opt/airflow/data", "dag_delivery": "git-sync"}
    page = (bake(**complete(answers | {"executor": executor})) / "docs" / "deploy.md").read_text("utf-8")
    section = re.search(r"### What a DAG may do in the cluster\n(.*?)\n## ", page, re.DOTALL)[1]
    merged = values(*files, executor=executor, dag_delivery="git-sync")
    objects = helm_chart.objects(helm_chart.render(merged, "etl"))
    assert set(re.findall(r"^- `([\w-]+)`", section, re.MULTILINE)) == may_create_pods(objects)
    tasks = {"LocalExecutor": "scheduler", "CeleryExecutor": "worker", "KubernetesExecutor": "task-pod"}[executor]
    assert tasks in holders(objects)
    # What else a task reads.
    environment = {one["name"] for one in helm_chart.pod_specs(objects)[tasks]["containers"][0]["env"]}
    assert environment >= {"AIRFLOW__CORE__FERNET_KEY", "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"}
    # And what the page's values leave.
    (block,) = re.findall(r"^```yaml\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    objects = helm_chart.objects(helm_chart.render(overlaid(merged, yaml.safe_load(block)), "etl"))
    assert holders(objects) == ({"scheduler"} if executor == "KubernetesExecutor" else set())


def test_the_page_s_label_enforces_what_is_tested_here(bake, tmp_path):
    page = (bake(project_slug="quakes", namespace="etl") / "docs" / "deploy.md").read_text("utf-8")
    name, label = re.search(r"^kubectl label namespace (\S+) (\S+)$", page, re.MULTILINE).groups()
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    (tmp_path / "namespace.yaml").write_text(yaml.safe_dump(namespace))
    words = ["label", "--local", "--filename=namespace.yaml", "--output=yaml", label]
    labelled = yaml.safe_load(run([helm_chart.tools() / "kubectl", *words], cwd=tmp_path))
    assert labelled["metadata"]["name"] == "etl"
    assert labelled["metadata"]["labels"] == {"pod-security.kubernetes.io/enforce": "restricted"}


def test_a_pod_that_a_dag_starts_passes_with_what_the_page_says(bake):
    page = (bake() / "docs" / "packages.md").read_text("utf-8")
    pod, container = (
        ast.literal_eval(re.search(rf"`{name}=(.*)`", page)[1])
        for name in ("security_context", "container_security_context")
    )
    spec = {"securityContext": pod, "containers": [{"name": "base", "securityContext": container}]}
    assert violations({"spec": spec}) == []


# --- The evaluator itself: a pod that passes, and what each control makes of one change.
GOOD = {
    "metadata": {"name": "good"},
    "spec": {
        "securityContext": {"runAsUser": 1000, "runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "volumes": [{"name": "a", "emptyDir": {}}, {"name": "b", "secret": {"secretName": "b"}}],
        "initContainers": [
            {
                "name": "before",
                "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
            }
        ],
        "containers": [
            {
                "name": "main",
                "ports": [{"containerPort": 80}],
                "livenessProbe": {"httpGet": {"port": 80}},
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]},
                },
            }
        ],
    },
}
POD, MAIN, BEFORE = "spec", "spec.containers.0", "spec.initContainers.0"
BAD = [
    (f"{POD}.hostNetwork", True, "host namespaces (hostNetwork)"),
    (f"{POD}.hostPID", True, "host namespaces (hostPID)"),
    (f"{POD}.hostIPC", True, "host namespaces (hostIPC)"),
    (f"{POD}.volumes.0", {"name": "a", "hostPath": {"path": "/"}}, "restricted volume types (a)"),
    (f"{POD}.volumes.1", {"name": "b", "nfs": {"server": "x", "path": "/"}}, "restricted volume types (b)"),
    (f"{POD}.securityContext.sysctls", [{"name": "kernel.msgmax", "value": "1"}], "forbidden sysctls (kernel.msgmax)"),
    (f"{POD}.securityContext.runAsUser", 0, "runAsUser=0 (pod)"),
    (f"{POD}.securityContext.windowsOptions", {"hostProcess": True}, "hostProcess (pod)"),
    (f"{POD}.securityContext.seLinuxOptions", {"type": "spc_t"}, "seLinuxOptions (pod)"),
    (f"{POD}.securityContext.seLinuxOptions", {"user": "x"}, "seLinuxOptions (pod)"),
    (f"{POD}.securityContext.appArmorProfile", {"type": "Unconfined"}, "forbidden AppArmor profile (pod)"),
    (f"{MAIN}.securityContext.appArmorProfile", {"type": "Unconfined"}, "forbidden AppArmor profile (main)"),
    (f"{MAIN}.securityContext.privileged", True, "privileged (main)"),
    (f"{MAIN}.securityContext.procMount", "Unmasked", "procMount (main)"),
    (f"{MAIN}.securityContext.runAsUser", 0, "runAsUser=0 (main)"),
    (f"{MAIN}.securityContext.runAsNonRoot", False, "runAsNonRoot != true (main)"),
    (f"{MAIN}.securityContext.seccompProfile", {"type": "Unconfined"}, "seccompProfile (main)"),
    (f"{MAIN}.securityContext.allowPrivilegeEscalation", True, "allowPrivilegeEscalation != false (main)"),
    (f"{BEFORE}.securityContext.allowPrivilegeEscalation", None, "allowPrivilegeEscalation != false (before)"),
    (f"{BEFORE}.securityContext.capabilities", {"drop": ["NET_RAW"]}, "unrestricted capabilities (before)"),
    (f"{MAIN}.securityContext.capabilities.add", ["SYS_TIME"], "unrestricted capabilities (main)"),
    (f"{MAIN}.ports.0.hostPort", 80, "hostPort (main)"),
    (f"{MAIN}.livenessProbe.httpGet.host", "10.0.0.1", "probe or lifecycle host (main)"),
    (f"{MAIN}.lifecycle", {"preStop": {"tcpSocket": {"host": "x", "port": 1}}}, "probe or lifecycle host (main)"),
    (
        "metadata.annotations",
        {"container.apparmor.security.beta.kubernetes.io/main": "unconfined"},
        "forbidden AppArmor profile (container.apparmor.security.beta.kubernetes.io/main)",
    ),
]


def test_the_evaluator_passes_a_good_pod():
    assert violations(GOOD) == []


@pytest.mark.parametrize(("path", "value", "finding"), BAD, ids=[f"{path}={value}" for path, value, _ in BAD])
def test_the_evaluator_sees(path, value, finding):
    pod = copy.deepcopy(GOOD)
    *above, last = path.split(".")
    place = pod
    for key in above:
        place = place[int(key) if key.isdigit() else key]
    place[int(last) if last.isdigit() else last] = value
    assert violations(pod) == [finding]


def test_the_evaluator_says_what_an_api_server_said():
    """What Kubernetes 1.36 answered for a pod that says nothing at all, in its order."""
    said = ["allowPrivilegeEscalation != false", "unrestricted capabilities", "runAsNonRoot != true", "seccompProfile"]
    assert violations({"spec": {"containers": [{"name": "main"}]}}) == [f"{words} (main)" for words in said]
