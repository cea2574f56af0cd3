"""make deploy, diff, status, pod-dags, logs-sync, rollback, undeploy.

With the real helm and kubectl as far as they go without a cluster, and for the calls that need one with a stand-in
that records them (fake_cluster.py).
"""

import configparser
import fcntl
import json
import os
import pty
import shutil
import subprocess
import sys
from datetime import datetime, timedelta
from urllib.parse import unquote, urlsplit

import pytest
import yaml

from tests.conftest import QUESTIONS, clean_environment, make_command, run
from tests.etl_tools.cluster import helm_chart, states
from tests.etl_tools.cluster.cluster import ANSWERS, Cluster


@pytest.fixture
def real_tools():
    """The folder with the real helm and kubectl."""
    return helm_chart.tools()


@pytest.fixture(scope="module")
def project(bake, tmp_path_factory):
    """A project that no test changes."""
    return shutil.copytree(bake(**ANSWERS), tmp_path_factory.mktemp("deploy") / "quakes")


@pytest.fixture
def cluster(project, tmp_path, real_tools):
    return Cluster(project, tmp_path, real_tools / "helm")


@pytest.fixture
def own_cluster(bake_fresh, tmp_path, real_tools):
    """A cluster beside a project of the test's own, to change."""
    return Cluster(bake_fresh(**ANSWERS), tmp_path, real_tools / "helm")


# The pods are looked at more often than a person needs it.
OFTEN = [("cluster.deploy", "POLL", 0.2)]


def pod(name, *, ready=True, labels=None, claim=None, **status):
    main = [{"name": "main", "ready": ready, "started": ready, "restartCount": 0, "state": {}}]
    status = {"phase": "Running", "containerStatuses": main} | status
    volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": claim}}] if claim else []
    metadata = {"name": name, "labels": labels or {"release": "airflow"}}
    return {"kind": "Pod", "metadata": metadata, "spec": {"volumes": volumes}, "status": status}


WITHOUT_IMAGE = {
    "name": "scheduler",
    "ready": False,
    "state": {"waiting": {"reason": "ImagePullBackOff", "message": 'Back-off pulling image "apache/airflow:9"'}},
}
AUTHORITY = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
NO_PLACE = {"type": "PodScheduled", "status": "False", "message": "pod has unbound immediate PersistentVolumeClaims"}


def pending(status="pending-upgrade", minutes=0):
    """What `helm list --pending --output=json` prints of a run that began so many minutes ago."""
    began = datetime.now().astimezone() - timedelta(minutes=minutes)
    return [{"name": "airflow", "revision": "3", "status": status, "updated": began.isoformat(" ", "seconds")}]


def test_deploy_makes_namespace_secrets_and_volume_before_the_release(cluster):
    cluster["pods-after.json"] = [pod("airflow-scheduler-1")]
    printed = cluster.make("deploy")
    order = [call[:2] for call in cluster.calls("kubectl")]
    assert order.index(["create", "namespace"]) < order.index(["apply", "--server-side"])
    applied = [item for call in cluster.calls("kubectl") if call[0] == "apply" for item in yaml.safe_load_all(call[-1])]
    assert {item["kind"] for item in applied} == {"Secret", "PersistentVolumeClaim"}
    assert "quakes-git-ssh" in {item["metadata"]["name"] for item in applied}
    (upgrade,) = [call for call in cluster.calls("helm") if call[0] == "upgrade"]
    assert upgrade[:5] == ["upgrade", "--install", "airflow", "airflow", "--repo"]
    assert upgrade[upgrade.index("--version") + 1] == QUESTIONS["_chart_version"]
    assert f"--values={cluster.project / 'helm' / 'values.yaml'}" in upgrade
    # With any of these Helm waits for pods that wait for the migration that Helm starts after them.
    assert not [word for word in upgrade if word.startswith(("--wait", "--atomic", "--rollback-on-failure"))]
    rollouts = [call[2] for call in cluster.calls("kubectl") if call[0] == "rollout"]
    assert rollouts == ["deployment,statefulset"]
    assert printed.splitlines()[-1].startswith("Airflow runs.")
    password = (cluster.project / "secrets" / "admin_password").read_text()
    assert password not in printed


def test_deploy_shows_what_the_pods_wait_for(cluster):
    cluster["pods.json"] = [pod("airflow-scheduler-1", ready=False, containerStatuses=[WITHOUT_IMAGE])]
    cluster["helm-fails"] = "Error: UPGRADE FAILED: post-upgrade hooks failed: timed out waiting for the condition"
    printed = cluster.make("deploy", expect=2)
    assert "helm: UPGRADE FAILED: post-upgrade hooks failed" in printed
    assert 'airflow-scheduler-1: scheduler: ImagePullBackOff Back-off pulling image "apache/airflow:9"' in printed


def test_deploy_gives_up_after_a_while_and_says_why(cluster):
    cluster["helm-hangs"] = "60"
    cluster["pods.json"] = [
        pod("airflow-worker-0", ready=False, claim="quakes-data", containerStatuses=[], conditions=[NO_PLACE]),
        pod("airflow-worker-1", ready=False, containerStatuses=[], conditions=[NO_PLACE]),
        pod("some-task", ready=False, labels={"release": "airflow", "dag_id": "extract"}),
        pod("airflow-postgresql-0", labels={"app.kubernetes.io/instance": "airflow"}),
    ]
    printed = cluster.make("deploy", expect=2, TIMEOUT="0.02", constants=OFTEN)
    assert "not ready in 0.02 minutes" in printed
    assert "airflow-worker-0: waits for its volume: quakes-data" in printed
    assert "airflow-worker-1: no place on a node: pod has unbound immediate PersistentVolumeClaims" in printed
    assert "More: make status (pods and volumes), make doctor" in printed
    assert "some-task" not in printed
    assert "airflow-postgresql-0:" not in printed


def test_a_timeout_of_helms_own_is_said_as_that(cluster):
    """Not as a cluster that does not answer, for Helm got to its end and marked the release as failed."""
    cluster["helm-fails"] = "Error: UPGRADE FAILED: post-upgrade hooks failed: timed out waiting for the condition"
    assert "not ready in 15 minutes (TIMEOUT=30 waits longer)" in cluster.make("deploy", expect=2)
    cluster["helm-fails"] = "Error: UPGRADE FAILED: context deadline exceeded"
    assert "not ready in 15 minutes (TIMEOUT=30 waits longer)" in cluster.make("deploy", expect=2)


def test_helm_is_given_the_time_that_it_takes_for_each_hook(cluster):
    """Killed while it waits for a Job, it would leave the release pending, and the next deploy would be refused."""
    cluster["helm-hangs"] = "3"
    assert "Airflow runs." in cluster.make("deploy", TIMEOUT="0.04", constants=OFTEN)


def test_no_answer_in_time_is_not_called_missing_rights(cluster):
    cluster["unreachable"] = "no answer within 90 s: timed out"
    printed = cluster.make("deploy", expect=2)
    assert "the cluster does not answer" in printed
    assert "you may not" not in printed


def test_a_quota_that_is_used_up_is_not_called_missing_rights(cluster):
    """As the API server says it: it is Forbidden, too."""
    cluster["apply-fails"] = (
        'Error from server (Forbidden): error when creating "STDIN": persistentvolumeclaims "quakes-data" is '
        "forbidden: exceeded quota: small, requested: requests.storage=10Gi, used: 0, limited: 1Gi"
    )
    printed = cluster.make("deploy", expect=2)
    assert "namespace etl does not allow that much, or that way (Error from server (Forbidden): " in printed
    assert "you may not" not in printed


def test_what_fails_in_a_pod_is_not_taken_for_the_way_there(cluster):
    words = 'psycopg2.OperationalError: connection to server at "db" failed: Connection refused'
    cluster["exec-fails"] = f"Traceback\n{words}\ncommand terminated with exit code 1"
    printed = cluster.make("trigger", expect=2, DAG="extract")
    assert words in printed
    assert "the cluster does not answer" not in printed


def test_deploy_after_a_cut_off_run_says_how_to_go_on(cluster):
    cluster["helm-fails"] = "Error: UPGRADE FAILED: another operation (install/upgrade/rollback) is in progress"
    assert "Run make rollback, or" in cluster.make("deploy", expect=2)


@pytest.mark.parametrize(
    ("state", "environment", "words"),
    [
        ({"helm-version": "v3.18.6"}, {}, "has Helm v3.18.6, the chart needs 3.19"),
        ({"can-i": "no"}, {}, "you may not do that in namespace etl"),
        ({"unreachable": "Unable to connect to the server: dial tcp 10.0.0.1:443"}, {}, "the cluster does not answer"),
        ({}, {"HELM": "no-such-helm"}, "no-such-helm is not on PATH"),
        ({}, {"KUBECTL": "no-such-kubectl"}, "no-such-kubectl is not on PATH"),
        ({}, {"VALUES": "helm/values.yaml helm/values.production.yaml"}, "values.production.yaml:"),
        ({}, {"VALUES": "helm/none.yaml"}, "there is no helm/none.yaml"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_deploy_refuses_in_one_line_and_changes_nothing(cluster, state, environment, words):
    for name, content in state.items():
        cluster[name] = content
    printed = cluster.make("deploy", expect=2, **environment)
    lines = [line for line in printed.splitlines() if line.startswith("make deploy:")]
    assert len(lines) == 1
    assert words in lines[0]
    assert not [call for call in cluster.calls("kubectl") if call[0] in ("apply", "create", "delete")]
    assert not [call for call in cluster.calls("helm") if call[0] == "upgrade"]


@pytest.mark.parametrize(
    ("status", "minutes", "words"),
    [
        (
            "pending-upgrade",
            3,
            "helm is at work on this release for 3 minutes (pending-upgrade), from another checkout",
        ),
        (
            "pending-upgrade",
            90,
            "helm was cut off 90 minutes ago (pending-upgrade). Run make rollback, then make deploy",
        ),
        (
            "pending-install",
            90,
            "helm was cut off 90 minutes ago (pending-install). Run make undeploy (the data stays), ",
        ),
    ],
)
def test_at_work_is_told_from_cut_off(cluster, status, minutes, words):
    """No helm of make deploy lives longer than its timeout for each hook and some more."""
    cluster["pending.json"] = pending(status, minutes)
    assert f"nothing was changed: {words}" in cluster.make("deploy", expect=2)
    assert not cluster.writes()


def test_rollback_says_that_it_would_break_what_is_at_work(cluster):
    cluster["pending.json"] = pending("pending-upgrade", 3)
    printed = cluster.make("rollback", expect=2)
    assert "Look first: helm is at work on this release for 3 minutes" in printed
    assert not cluster.writes()
    cluster.make("rollback", CONFIRM="yes")


def test_a_deploy_of_this_checkout_that_runs_is_named(own_cluster):
    """The lock that it holds ends with it, however it ends."""
    own_cluster.make("keys")
    own_cluster["pending.json"] = pending(minutes=90)
    held = os.open(own_cluster.project / "secrets", os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    printed = own_cluster.make("deploy", expect=2)
    os.close(held)
    assert "another make is at work in this checkout (pending-upgrade for 90 minutes)" in printed
    assert "helm was cut off" in own_cluster.make("deploy", expect=2)


def test_a_deploy_that_waits_for_another_make_says_so(own_cluster):
    own_cluster.make("keys")
    held = os.open(own_cluster.project / "secrets", os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    environment = clean_environment() | own_cluster.environment
    command = [*make_command(), "deploy"]
    with subprocess.Popen(
        command, cwd=own_cluster.project, env=environment, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True
    ) as running:
        for line in running.stdout:
            if line.startswith("Waiting for another make in this checkout"):
                os.close(held)  # it ends
        assert line.startswith("Airflow runs.")
    assert running.returncode == 0


@pytest.mark.parametrize("state", ["pod-security", "quota"])
def test_deploy_names_what_the_cluster_refuses(cluster, state):
    """No pod is there that could say it."""
    cluster["pods.json"] = states.items(state)
    cluster["events.json"] = states.events(state)
    cluster["helm-hangs"] = "60"
    printed = cluster.make("deploy", expect=2, TIMEOUT="0.02", constants=OFTEN)
    begun, _, ended = printed.partition("make deploy: not ready in 0.02 minutes")
    refused = {
        "pod-security": (
            "refused-by-policy: 0 of 1 pods: violates PodSecurity",
            "refused-set: 0 of 1 pods: violates Pod",
        ),
        "quota": ("deployment/over-quota: 1 of 2 pods: exceeded quota: small, requested: ",),
    }
    for words in refused[state]:
        assert words in begun
        assert words in ended


def test_nothing_there_after_helm_is_no_success(cluster):
    cluster["pods-after.json"] = []
    for target in ("deploy", "rollback"):
        printed = cluster.make(target, expect=2, CONFIRM="yes")
        assert "no pod of the release is there and ready" in printed
        assert "Rolled back" not in printed
    cluster["pods-after.json"] = states.items("pod-security")
    assert "Airflow runs." not in cluster.make("deploy", expect=2)


def test_pods_that_the_new_revision_would_wait_for_for_ever_are_deleted(cluster):
    """A StatefulSet replaces no pod that is not ready (kubernetes#67250). Only those go, and say so."""
    well = pod("airflow-scheduler-1")
    not_ready = pod("airflow-triggerer-0", ready=False, containerStatuses=[WITHOUT_IMAGE])
    cluster["pods.json"] = [*states.items("stuck"), not_ready, well]
    cluster["pods-after.json"] = [well]
    cluster["helm-hangs"] = "2"
    printed = cluster.make("deploy", constants=OFTEN)
    deleted = [call[2:-1] for call in cluster.calls("kubectl") if call[:2] == ["delete", "pod"]]
    assert deleted == [["stuck-0", "--ignore-not-found", "--wait=false"]]
    assert "stuck-0: is of an older revision and not ready, and the new one waits for it; " in printed


def test_an_old_pod_that_runs_is_left_alone(cluster):
    """It may become ready, and may be at work."""
    items = json.loads(json.dumps(states.items("stuck")))
    items[1]["status"]["containerStatuses"][0]["state"] = {"running": {"startedAt": "2026-11-29T02:39:38Z"}}
    cluster["pods.json"] = items
    cluster["helm-hangs"] = "2"
    cluster.make("deploy", constants=OFTEN)
    assert not [call for call in cluster.calls("kubectl") if call[:2] == ["delete", "pod"]]


HISTORY = {1: "superseded", 2: "superseded", 3: "failed", 4: "failed"}


@pytest.mark.parametrize(
    ("history", "environment", "target", "words"),
    [
        (HISTORY, {}, "2", ""),
        (HISTORY, {"REVISION": "1"}, "1", ""),
        (HISTORY, {"REVISION": "3"}, "", "revision 3 failed, or is not an earlier one; REVISION=2 did"),
        (HISTORY, {"REVISION": "4"}, "", "revision 4 failed, or is not an earlier one; REVISION=2 did"),
        ({1: "superseded", 2: "deployed", 3: "pending-upgrade"}, {}, "2", ""),
        ({1: "superseded", 2: "deployed"}, {}, "1", ""),
        ({1: "failed", 2: "failed"}, {}, "", "no earlier revision worked; correct what failed, then make deploy"),
        ({1: "deployed"}, {}, "", "no earlier revision worked"),
    ],
    ids=str,
)
def test_rollback_goes_to_what_worked(cluster, history, environment, target, words):
    cluster["history.json"] = [{"revision": number, "status": status} for number, status in history.items()]
    printed = cluster.make("rollback", expect=0 if target else 2, CONFIRM="yes", **environment)
    rollbacks = [call[2] for call in cluster.calls("helm") if call[0] == "rollback"]
    assert rollbacks == ([target] if target else [])
    if words:
        assert f"nothing was changed: {words}" in printed


def test_the_real_tools_without_a_cluster_get_one_line(cluster, real_tools, tmp_path):
    cluster.environment |= {name.upper(): str(real_tools / name) for name in ("kubectl", "helm")}
    for target in (
        "deploy",
        "diff",
        "status",
        "pod-dags",
        "ui-forward",
        "logs-sync",
        "rollback",
        "undeploy",
        "trigger",
    ):
        printed = cluster.make(target, expect=2, KUBECONFIG=str(tmp_path / "none"), CONFIRM="airflow", DAG="extract")
        lines = [line for line in printed.splitlines() if "points at no cluster" in line or "refused" in line]
        lines = [line for line in lines if "memcache.go" not in line]  # kubectl's own log
        assert len(lines) == 1, printed


@pytest.fixture
def down(own_cluster, real_tools, tmp_path):
    """A cluster whose API does not answer, on this machine as that of kind, asked by the real tools."""
    config = tmp_path / "down"
    parts = {
        "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:9"}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "users": [{"name": "u", "user": {"token": "x"}}],
    }
    config.write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "Config", "current-context": "c"} | parts))
    own_cluster.environment |= {name.upper(): str(real_tools / name) for name in ("kubectl", "helm")}
    own_cluster.environment |= {"KUBECONFIG": str(config)}
    return own_cluster


def test_an_api_that_is_down_gets_no_password_and_one_line(down):
    """Its address is one of this machine, too, and no tunnel that leads to Airflow."""
    days = {"FROM": "2018-02-01", "TO": "2018-02-01", "CLUSTER": "yes"}
    printed = down.make("backfill", expect=2, DAG="extract", **days)
    (line,) = [line for line in printed.splitlines() if line.startswith("make backfill: ")]
    assert "the cluster does not answer" in line
    assert "no login" not in printed
    assert "?." not in down.make("pod-dags", expect=2)
    assert "There is nothing to compare with: make doctor says why." in down.make("diff", expect=2)


def test_what_is_said_first_is_first_in_a_log(down):
    """Written into a file, as CI does: the refusal does not come before what it is about."""
    printed = run([*make_command(), "undeploy"], cwd=down.project, expect=2, **down.environment)
    assert printed.index("This stops Airflow") < printed.index("nothing was done")


def test_the_real_tools_know_every_word_that_they_are_given(cluster, real_tools, small_chart):
    """A stand-in takes any option. Without a cluster the real tools get as far as reading theirs."""
    cluster["releases.json"] = [{"name": "airflow"}]
    for target in ("deploy", "diff", "status", "rollback"):
        cluster.make(target, CONFIRM="yes", CHART=str(small_chart))
    cluster.make("undeploy", CONFIRM="airflow")
    cluster["pods.json"] = [processor(DONE, DONE, RUNS)]
    cluster.make("logs-sync", FOLLOW="1")
    calls = [(tool, call) for tool in ("helm", "kubectl") for call in cluster.calls(tool)]
    known = {call[0] for _, call in calls}
    assert known >= {
        "upgrade",
        "template",
        "list",
        "get",
        "history",
        "rollback",
        "uninstall",
        "apply",
        "rollout",
        "logs",
    }
    for tool, (*words, given) in calls:
        command = [real_tools / tool, "--namespace=etl", *words]
        done = subprocess.run(
            command, input=given, capture_output=True, text=True, env={"KUBECONFIG": "/dev/null"}, cwd=cluster.project
        )
        assert "unknown" not in done.stderr, (words, done.stderr)
        assert "usage" not in done.stderr.lower(), (words, done.stderr)


@pytest.mark.parametrize(
    ("there", "used"),
    [
        (["kubectl", "helm"], ["kubectl", "helm"]),
        (["microk8s"], ["microk8s kubectl", "microk8s helm3"]),
        (["microk8s", "kubectl", "helm"], ["kubectl", "helm"]),
        (["microk8s", "helm"], ["microk8s kubectl", "helm"]),
        ([], ["kubectl", "helm"]),
    ],
)
def test_microk8s_is_used_where_there_is_nothing_else(bake, tmp_path, there, used):
    for tool in ("bash", "sh", "make", *there):
        (tmp_path / tool).symlink_to(shutil.which(tool) or shutil.which("true"))
    show = ["make", "--eval", "show: ; @echo $$KUBECTL, $$HELM", "show"]
    printed = run(show, cwd=bake(), PATH=str(tmp_path), KUBECTL=None, HELM=None)
    assert printed.strip() == ", ".join(used)


@pytest.fixture
def small_chart(tmp_path):
    """A chart of two objects, which the real helm renders: what make diff shows does not depend on the chart."""
    chart = tmp_path / "airflow"
    (chart / "templates").mkdir(parents=True)
    (chart / "Chart.yaml").write_text("apiVersion: v2\nname: airflow\nversion: 0.1.0\n")
    (chart / "templates" / "map.yaml").write_text(
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  labels: {a: b}\n  name: airflow-config\n"
        "data:\n  executor: {{ .Values.executor }}\n  tag: {{ .Values.defaultAirflowTag | quote }}\n"
        "---\napiVersion: v1\nkind: Pod\nmetadata:\n  name: airflow-scheduler\n"
        "  annotations:\n    checksum/config: {{ .Values.executor | sha256sum }}\n"
    )
    return chart


def test_diff_shows_what_would_change_and_changes_nothing(own_cluster, small_chart, real_tools):
    environment = {"CHART": str(small_chart)}
    assert "release: not found" in own_cluster.make("diff", expect=2, **environment)
    own_cluster["releases.json"] = [{"name": "airflow"}]
    values = own_cluster.project / "helm" / "values.yaml"
    command = [real_tools / "helm", "template", "airflow", small_chart, f"--values={values}", "--namespace=etl"]
    own_cluster["manifest.yaml"] = run(command, cwd=own_cluster.project)
    assert own_cluster.make("diff", **environment).splitlines() == ["Nothing would change."]
    assert "there is no helm/none.yaml" in own_cluster.make("diff", expect=2, VALUES="helm/none.yaml")
    values.write_text(values.read_text().replace("executor: CeleryExecutor", "executor: LocalExecutor"))
    lines = own_cluster.make("diff", **environment).splitlines()
    assert any(line.startswith("@@") and line.endswith("# Source: airflow/templates/map.yaml") for line in lines)
    changed = [line for line in lines if line.startswith(("-  ", "+  "))]
    assert changed[:2] == ["-  executor: CeleryExecutor", "+  executor: LocalExecutor"]
    # A pod that only restarts: the sum of its configuration is another one.
    assert [line.split(":")[0].strip() for line in changed[2:]] == ["-    checksum/config", "+    checksum/config"]
    own_cluster["manifest.yaml"] = "---\nkind: Service\nmetadata:\n  name: old\n"
    lines = own_cluster.make("diff", **environment).splitlines()
    assert {"-kind: Service", "+kind: ConfigMap"} <= set(lines)
    values.write_text(values.read_text().replace("executor: LocalExecutor", "executor: {"))
    assert "Nothing would change" not in own_cluster.make("diff", expect=2, **environment)
    assert {call[0] for call in own_cluster.calls("helm")} == {"get", "template"}
    assert {call[0] for call in own_cluster.calls("kubectl")} == {"config"}


def test_status_is_what_helm_and_kubectl_list_in_the_namespace(cluster):
    cluster["releases.json"] = [{"name": "airflow", "chart": "airflow-9.9.9"}]
    first, _, second = cluster.make("status").splitlines()[:3]
    assert first.split() == ["airflow", "deployed", "airflow-9.9.9"]
    assert second.startswith("NAME")
    assert [call[:3] for call in cluster.calls("helm")] == [["list", "--filter", "^airflow$"]]


@pytest.mark.parametrize("delivery", QUESTIONS["dag_delivery"])
def test_pod_dags_compares_the_pod_s_commit_with_this_checkout(bake_fresh, tmp_path, real_tools, delivery):
    cluster = Cluster(bake_fresh(**ANSWERS, dag_delivery=delivery), tmp_path, real_tools / "helm")
    git = ["git", "-C", cluster.project]
    run([*git, "add", "."], cwd=tmp_path)
    run([*git, "commit", "--quiet", "--no-verify", "-m", "Begin"], cwd=tmp_path)
    head = run([*git, "rev-parse", "HEAD"], cwd=tmp_path).strip()
    # As a pod has it, by git-sync or by a GitDagBundle.
    worktree = tmp_path / "pod" / "dags" / ".worktrees" / head
    bundle = tmp_path / "bundles" / "quakes" / "tracking_repo"
    for checkout in (worktree, bundle):
        run(["git", "clone", "--quiet", cluster.project, checkout], cwd=tmp_path)
    (tmp_path / "pod" / "dags" / "repo").symlink_to(f".worktrees/{head}")
    environment = {
        "AIRFLOW_HOME": str(tmp_path / "pod"),
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH": str(tmp_path / "bundles"),
    }
    # The Makefile's AIRFLOW_HOME is the laptop's, so the script runs by itself.
    command = [sys.executable, "-m", "etl_tools.cli", "pod-dags"]
    printed = run(command, cwd=cluster.project, **cluster.environment, **environment).splitlines()
    assert printed[0].startswith("Cluster: context here, ")
    assert printed[1:3] == [f"Commit in the pod: {head}", f"Commit here:       {head}"]
    assert "  extract.py" in printed
    run([*git, "commit", "--quiet", "--no-verify", "--allow-empty", "-m", "More"], cwd=tmp_path)
    printed = run(command, cwd=cluster.project, **cluster.environment, **environment).splitlines()
    assert printed[3].startswith("They differ.")
    shutil.rmtree(worktree)
    shutil.rmtree(bundle)
    failed = run(command, cwd=cluster.project, expect=1, **cluster.environment, **environment)
    assert failed.splitlines()[1].startswith("make pod-dags: ")
    assert "exit code" not in failed


def processor(*states, name="airflow-dag-processor-1", made="2026-11-29T02:37:00Z"):
    """The DAG processor's pod: states of its two init containers, then of git-sync (nothing: not begun)."""
    names = ("wait-for-airflow-migrations", "git-sync-init", "git-sync")
    begun = [*states, *[{"waiting": {"reason": "PodInitializing"}}] * (3 - len(states))]
    first = [{"name": of, "ready": False, "state": state} for of, state in zip(names, begun, strict=True)]
    labels = {"release": "airflow", "component": "dag-processor"}
    item = pod(name, labels=labels, initContainerStatuses=first[:2], containerStatuses=first[2:])
    item["metadata"]["creationTimestamp"] = made
    return item


RUNS, DONE = {"running": {}}, {"terminated": {"exitCode": 0, "reason": "Completed"}}
ENDED = {"terminated": {"exitCode": 1, "reason": "Error"}}


@pytest.mark.parametrize(
    ("states", "container"),
    [
        ([DONE, DONE, RUNS], "git-sync"),
        ([DONE, ENDED], "git-sync-init"),
        ([DONE, RUNS], "git-sync-init"),
        ([RUNS], "wait-for-airflow-migrations"),
    ],
)
def test_logs_sync_are_those_of_the_container_that_has_the_words(cluster, states, container):
    """While git-sync-init fails, git-sync has none: kubectl says PodInitializing."""
    replaced = processor(DONE, DONE, RUNS, name="airflow-dag-processor-0", made="2026-11-28T02:37:00Z")
    cluster["pods.json"] = [processor(*states), replaced]
    cluster["logs"] = "fatal: couldn't find remote ref release\n"
    printed = cluster.make("logs-sync", FOLLOW="1")
    (call,) = [call for call in cluster.calls("kubectl") if call[0] == "logs"]
    assert call[1:-1] == ["airflow-dag-processor-1", f"--container={container}", "--tail=100", "--follow"]
    assert f"airflow-dag-processor-1, container {container}:" in printed
    assert "fatal: couldn't find remote ref release" in printed


def test_logs_sync_without_a_log_says_what_the_pod_waits_for(cluster):
    assert "there is no pod of the DAG processor" in cluster.make("logs-sync", expect=2)
    waiting = processor({"waiting": {"reason": "CreateContainerConfigError", "message": 'secret "a" not found'}})
    cluster["pods.json"] = [waiting]
    words = 'has no log yet: wait-for-airflow-migrations: CreateContainerConfigError secret "a" not found'
    assert words in cluster.make("logs-sync", expect=2)
    assert not [call for call in cluster.calls("kubectl") if call[0] == "logs"]


def test_ui_forward_reaches_the_api_server(cluster):
    assert "http://localhost:9090: user admin" in cluster.make("ui-forward", PORT="9090")
    assert cluster.calls("kubectl")[-1][:-1] == ["port-forward", "service/airflow-api-server", "9090:8080"]


AIRFLOW = """#!/bin/sh
echo "$*" >> {calls}
case "$2" in list) echo '{dags}';; trigger) echo queued;; esac
"""


@pytest.fixture
def pod_airflow(tmp_path):
    """Return a function: Airflow's DAGs → the pod that kubectl exec leads to; what airflow was asked is in `calls`."""

    def new(**dags):
        rows = [{"dag_id": name, "is_paused": paused, "is_stale": stale} for name, (paused, stale) in dags.items()]
        folder = tmp_path / "pod"
        folder.mkdir(exist_ok=True)
        script = folder / "airflow"
        script.write_text(AIRFLOW.format(calls=tmp_path / "calls", dags=json.dumps(rows)))
        script.chmod(0o755)
        return {"PATH": f"{folder}:{os.environ['PATH']}"}

    return new


@pytest.mark.parametrize(
    ("typed", "asked"),
    [
        ("yes\n", ["unpause extract", "trigger extract"]),
        ("no\n", []),
        ("\n", []),
        ("\x04", []),
    ],
    ids=["yes", "no", "enter", "ctrl-d"],
)
def test_trigger_asks_whether_a_paused_dag_is_to_be_turned_on(cluster, pod_airflow, tmp_path, typed, asked):
    pod = pod_airflow(extract=("True", "False"))
    ours, theirs = pty.openpty()
    os.write(ours, typed.encode())
    environment = {**clean_environment(), **cluster.environment, **pod, "DAG": "extract"}
    command = [*make_command(), "trigger"]
    done = subprocess.run(
        command, cwd=cluster.project, env=environment, stdin=theirs, capture_output=True, text=True, check=False
    )
    os.close(ours)
    os.close(theirs)
    assert "The DAG extract is paused. Turn it on?" in done.stdout
    assert done.returncode == (0 if asked else 2), done.stderr
    assert ("nothing was started" in done.stderr) == (not asked)
    calls = (tmp_path / "calls").read_text().splitlines()
    assert [call.removeprefix("dags ") for call in calls if "list" not in call] == asked


@pytest.mark.parametrize(
    ("state", "environment", "words", "asked"),
    [
        (("False", "False"), {}, "queued", ["trigger extract"]),
        (("True", "False"), {"UNPAUSE": "no"}, "queued", ["trigger extract"]),
        (("True", "False"), {"UNPAUSE": "all"}, "queued", ["unpause transform", "unpause extract", "trigger extract"]),
        (("False", "False"), {"UNPAUSE": "yes"}, "queued", ["trigger extract"]),
        (("True", "False"), {}, "nothing was started: the DAG extract is paused", []),
        (("True", "True"), {"UNPAUSE": "yes"}, "nothing was started: the file of the DAG extract has gone", []),
    ],
)
def test_trigger_queues_no_run_that_never_begins(cluster, pod_airflow, tmp_path, state, environment, words, asked):
    pod = pod_airflow(extract=state, transform=("True", "False"), gone=("True", "True"))
    printed = cluster.make("trigger", expect=0 if asked else 2, DAG="extract", **pod, **environment)
    assert words in printed
    calls = (tmp_path / "calls").read_text().splitlines()
    assert [call.removeprefix("dags ") for call in calls if "list" not in call] == asked


def test_rollback_and_undeploy_ask_first(cluster):
    for target in ("rollback", "undeploy"):
        assert "nothing was done" in cluster.make(target, expect=2)
    assert {call[0] for call in cluster.calls("helm")} == {"history", "list"}
    cluster.make("rollback", CONFIRM="yes", REVISION="1")
    assert [call[:3] for call in cluster.calls("helm") if call[0] == "rollback"] == [["rollback", "airflow", "1"]]
    assert "nothing was done" in cluster.make("undeploy", expect=2, CONFIRM="yes")
    printed = cluster.make("undeploy", CONFIRM="airflow")
    assert [call[:2] for call in cluster.calls("helm") if call[0] == "uninstall"] == [["uninstall", "airflow"]]
    assert "make deploy brings it back" in printed
    assert not [call for call in cluster.calls("kubectl") if call[0] == "delete" and call[1] != "job"]


@pytest.mark.chart
def test_the_real_helm_templates_and_lints_the_chart_with_these_values(cluster, real_tools, tmp_path):
    chart = helm_chart.copy_of_chart(tmp_path)
    values = cluster.project / "helm" / "values.yaml"
    for name in ("values.yaml", "values.production.yaml"):
        more = [f"--values={values}", f"--values={values.with_name(name)}", "--namespace=etl"]
        rendered = run([real_tools / "helm", "template", "airflow", chart, *more], cwd=tmp_path)
        kinds = {item["kind"] for item in yaml.safe_load_all(rendered) if item}
        assert {"Deployment", "Job", "Service"} <= kinds
        assert "0 chart(s) failed" in run([real_tools / "helm", "lint", chart, *more], cwd=tmp_path)


def test_one_line_makes_all_that_the_production_overlay_names(own_cluster):
    login = "air%40flow:p%22%40ss%2Fword"
    line = f"postgresql://{login}@db.example.com:5433/airflow?sslmode=verify-ca"
    (own_cluster.project / "secrets" / "database_url").write_text(f"{line}\n")
    (own_cluster.project / "secrets" / "database_ca.crt").write_text(AUTHORITY)
    printed = own_cluster.make("secrets")
    assert "ss%2Fword" not in printed
    made = own_cluster.secrets()
    through = urlsplit(made["quakes-database"]["connection"].decode())
    login = (unquote(through.username), unquote(through.password))
    assert (through.scheme, *login) == ("postgresql+psycopg2", "air@flow", 'p"@ss/word')
    assert (through.hostname, through.port, through.path) == ("airflow-pgbouncer.etl", 6543, "/airflow-metadata")
    # KEDA does not know who signed the server's certificate; PgBouncer does.
    keda = urlsplit(made["quakes-database"]["kedaConnection"].decode())
    assert (keda.scheme, keda.netloc, keda.path) == ("postgresql", through.netloc, through.path)
    assert urlsplit(made["quakes-database"]["pgbouncer-stats"].decode()).hostname == "127.0.0.1"
    pgbouncer = configparser.ConfigParser(interpolation=None)
    pgbouncer.read_string(made["quakes-pgbouncer"]["pgbouncer.ini"].decode())
    server = "host=db.example.com port=5433 dbname=airflow pool_size=20"
    assert dict(pgbouncer["databases"]) == {through.path[1:]: server}
    assert pgbouncer["pgbouncer"]["listen_port"] == str(through.port)
    assert pgbouncer["pgbouncer"]["server_tls_sslmode"] == "verify-ca"
    assert made["quakes-pgbouncer"]["root.crt"].decode() == AUTHORITY
    assert made["quakes-pgbouncer"]["users.txt"] == b'"air@flow" "p""@ss/word"\n'

    values = yaml.safe_load((own_cluster.project / "helm" / "values.production.yaml").read_text(encoding="utf-8"))
    exporter = values["pgbouncer"]["metricsExporterSidecar"]
    assert values["data"]["metadataSecretName"] == exporter["statsSecretName"] == "quakes-database"
    assert exporter["statsSecretKey"] == "pgbouncer-stats"
    assert values["pgbouncer"]["configSecretName"] == "quakes-pgbouncer"
    # The file that pgbouncer.ini names is where the chart mounts the key root.crt.
    (mount,) = values["pgbouncer"]["extraVolumeMounts"]
    assert pgbouncer["pgbouncer"]["server_tls_ca_file"] == f"{mount['mountPath']}/root.crt"

    for name in ("database_url", "database_ca.crt"):
        (own_cluster.project / "secrets" / name).unlink()
    own_cluster.make("keys-from-cluster")
    assert (own_cluster.project / "secrets" / "database_url").read_text() == f"{line}\n"
    assert (own_cluster.project / "secrets" / "database_ca.crt").read_text() == AUTHORITY


SHAPE = "secrets/database_url is not of the form postgresql://"
LOST = "secrets/database_url: PgBouncer has no option"
NEED = "secrets/database_ca.crt"


@pytest.mark.parametrize(
    ("line", "authority", "said"),
    [
        ("mysql://a:b@c/d", None, SHAPE),
        ("postgresql://a@c/d", None, SHAPE),
        ("postgresql://a:b@c", None, SHAPE),
        ("a:b", None, SHAPE),
        # Not encoded: what would be taken for the host is a piece of the password.
        ("postgresql://a:p/xyzzy@c/d", None, SHAPE),
        ("postgresql://a:p#xyzzy@c/d", None, SHAPE),
        ("postgresql://a:p@xyzzy@c/d", None, SHAPE),
        ("postgresql://a:b@c,e/d", None, SHAPE),
        ("postgresql://a:b@c:54x/d", None, SHAPE),
        ("postgresql://a:b@c/d e", None, SHAPE),
        ("postgresql://a:b@c/d?sslmode=require&options=-csearch_path%3Dx", None, f"{LOST} sslmode, options"),
        ("postgresql://a:b@c/d?connect_timeout=3", None, f"{LOST} connect_timeout"),
        ("postgresql://a:b@c/d?password=xyzzy", None, f"{LOST} password"),
        ("postgresql://a:b@c/d?sslmode=require&sslmode=disable", None, LOST),
        ("postgresql://a:b@c/d?sslmode=verify_full", None, LOST),
        ("postgresql://a:b@c/d?sslmode=", None, LOST),
        # A server that is to be verified, and nothing to verify it with; and the other way round.
        ("postgresql://a:b@c/d?sslmode=verify-full", None, NEED),
        ("postgresql://a:b@c/d?sslmode=verify-ca", "no certificate", NEED),
        ("postgresql://a:b@c/d?sslmode=require", "AUTHORITY", NEED),
        ("postgresql://a:b@c/d", "AUTHORITY", NEED),
    ],
)
def test_a_database_url_that_would_mean_less_in_the_cluster_is_refused(own_cluster, line, authority, said):
    (own_cluster.project / "secrets" / "database_url").write_text(f"{line}\n")
    if authority:
        text = AUTHORITY if authority == "AUTHORITY" else authority
        (own_cluster.project / "secrets" / "database_ca.crt").write_text(text)
    printed = own_cluster.make("secrets", expect=2)
    assert said in printed
    assert "xyzzy" not in printed
    assert own_cluster.secrets() == {}


@pytest.mark.parametrize("query", ["", "?sslmode=require"])
def test_without_verification_the_url_is_everybody_s(own_cluster, query):
    line = f"postgresql://a:b@[fd00::1]/d{query}"
    (own_cluster.project / "secrets" / "database_url").write_text(f"{line}\n")
    own_cluster.make("secrets")
    made = own_cluster.secrets()
    assert made["quakes-database"]["kedaConnection"].decode() == line
    settings = made["quakes-pgbouncer"]["pgbouncer.ini"].decode()
    assert "airflow-metadata = host=fd00::1 port=5432 dbname=d pool_size" in settings
    assert "server_tls_sslmode = require\n" in settings
    assert "server_tls_ca_file" not in settings
    assert "root.crt" not in made["quakes-pgbouncer"]
    # A cluster whose Secrets were made before has the URL only there.
    (own_cluster.project / "secrets" / "database_url").unlink()
    del made["quakes-database"]["url"]
    own_cluster.put_secret("quakes-database", made["quakes-database"])
    own_cluster.make("keys-from-cluster")
    assert (own_cluster.project / "secrets" / "database_url").read_text() == f"{line}\n"
