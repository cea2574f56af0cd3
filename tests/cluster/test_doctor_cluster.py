"""`make doctor` and `make pod-dags` on a cluster, as a recorded kubectl answers: one finding for one cause."""

# ruff: noqa: F811 (fixtures are imported by name)

import base64
import json
import os
import sys

import pytest

from tests.cluster.kubectl_recorder import Recorder
from tests.cluster.test_doctor import broken, command, deployed, doctor, kind, project, server  # noqa: F401
from tests.conftest import secret_manifests

pytestmark = pytest.mark.servers
EN_DASH = "\N{EN DASH}"


def pod(name, component, ready=True, spec=None, replica_set="", **state):
    """A pod as `kubectl get --output=json` prints it."""
    container = "git-sync" if state.pop("git_sync", False) else component
    status = [
        {"name": container, "ready": ready, "started": ready, "restartCount": 0, "state": state or {"running": {}}}
    ]
    metadata = {"name": name, "labels": {"release": "airflow", "component": component}}
    if replica_set:
        metadata["ownerReferences"] = [{"kind": "ReplicaSet", "name": replica_set}]
    status = {"phase": "Running", "containerStatuses": status}
    return {"kind": "Pod", "metadata": metadata, "spec": spec or {"containers": []}, "status": status}


def replica_set(name, revision):
    metadata = {
        "name": name,
        "annotations": {"deployment.kubernetes.io/revision": str(revision)},
        "ownerReferences": [{"kind": "Deployment", "name": name.rpartition("-")[0]}],
    }
    return {"kind": "ReplicaSet", "metadata": metadata, "spec": {}, "status": {}}


WELL = [pod("airflow-api-server-1", "api-server"), pod("airflow-dag-processor-1", "dag-processor")]
CRASHING = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 5m0s restarting"}}
SERVER = {"clusters": [{"cluster": {"server": "https://10.0.0.1"}}], "current-context": "here"}


class Cluster(Recorder):
    """A cluster in which everything is well, until a test says otherwise."""

    def __init__(self, folder, project):
        super().__init__(folder)
        self.secrets_are(secret_manifests(project))
        self.pods_are(*WELL)
        self.answer("config view", json.dumps(SERVER))
        self.answer("logs", '{"level":0,"msg":"updated successfully"}\n')
        self.answer("exec", "No data found\n")
        dags = [{"dag_id": "extract", "is_paused": "False"}, {"dag_id": "transform", "is_paused": "False"}]
        self.airflow_says("dags list", dags)

    def secrets_are(self, items):
        self.answer("get secret", json.dumps({"items": items}))
        self.answer("get secrets", "".join(f"secret/{item['metadata']['name']}\n" for item in items))

    def pods_are(self, *items):
        self.answer("get replicasets,pods", json.dumps({"items": items}))

    def airflow_says(self, command, table):
        """Answer as Airflow does in the API server's pod: log lines first, then JSON."""
        where = ["exec", "deployment/airflow-api-server", "--container=api-server", "--", "sh", "-c"]
        text = f"INFO - a log line\n{json.dumps(table)}\n"
        self.answer_words([*where, f"airflow {command} --output json || true"], text)


@pytest.fixture
def cluster(project, tmp_path):
    return Cluster(tmp_path / "kubectl", project)


@pytest.fixture
def diagnosis(project, cluster):
    """Return a function: the findings that are broken, on this cluster."""
    return lambda: broken(doctor(project, expect=1, **cluster.environment))


def test_finds_nothing_in_a_cluster_that_is_well(project, cluster):
    report = doctor(project, **cluster.environment)
    assert not broken(report)
    for good in (
        "Cluster: context here, server https://10.0.0.1, namespace airflow",
        "the cluster has each Secret, with the right keys and content",
        "pods of release airflow: 2, all of them ready",
        "git-sync in airflow-dag-processor-1 reports no error",
        "Airflow lists extract, transform",
    ):
        assert f"✓ {good}" in report
    values = {path.read_text() for path in (project / "secrets").iterdir() if "password" in path.name}
    assert values.isdisjoint(report.split())


def test_the_wrong_cluster_is_one_finding(project, cluster, diagnosis):
    (project / "secrets/cluster").write_text("there https://10.0.0.2")
    (project / "secrets/cluster").chmod(0o600)
    cluster.pods_are()
    what = (
        "this checkout was deployed to context there (https://10.0.0.2), and kubectl points at here (https://10.0.0.1)."
    )
    found = diagnosis()
    assert list(found) == [what]
    assert found[what].startswith("To go on there: CONTEXT=there make …")


def test_an_empty_table_is_what_airflow_3_prints_for_nothing_and_hides_no_paused_dag(project, cluster, diagnosis):
    """Recorded from Airflow 3.3: `[]` where there is nothing, an old log line's bracket before it."""
    cluster.airflow_says("dags list-import-errors", [])
    cluster.airflow_says("connections list", [])
    cluster.airflow_says("dags list", [{"dag_id": "extract", "is_paused": "True"}])
    assert list(diagnosis()) == ["the DAG extract is paused: it shows up and does not run"]


def test_a_log_line_in_brackets_is_no_table(cluster, diagnosis):
    where = ["exec", "deployment/airflow-api-server", "--container=api-server", "--", "sh", "-c"]
    text = '[2026-11-29T02:37:27] {cli.py:1} INFO - x\n[{"dag_id": "extract", "is_paused": "True"}]\n[1] more\n'
    cluster.answer_words([*where, "airflow dags list --output json || true"], text)
    assert list(diagnosis()) == ["the DAG extract is paused: it shows up and does not run"]


@pytest.mark.parametrize("mute", ["dags list-import-errors", "connections list"])
def test_what_cannot_be_looked_at_silences_nothing_else_and_is_not_called_well(project, cluster, mute):
    where = ["exec", "deployment/airflow-api-server", "--container=api-server", "--", "sh", "-c"]
    cluster.answer_words([*where, f"airflow {mute} --output json || true"], "Killed\n")
    report = doctor(project, **cluster.environment)
    assert f"airflow {mute} prints no table: Killed" in report
    assert "Nothing is broken" not in report
    assert "could not be looked at" in report
    cluster.airflow_says("dags list", [{"dag_id": "extract", "is_paused": "True"}])
    assert "the DAG extract is paused: it shows up and does not run" in broken(
        doctor(project, expect=1, **cluster.environment)
    )


def test_a_missing_branch_is_named_by_the_first_fatal_line(cluster, diagnosis):
    """git-sync's words, recorded: the cause comes before its consequence."""
    words = "fatal: couldn't find remote ref main\\nfatal: the remote end hung up unexpectedly\\n"
    cluster.answer(
        "logs", '{"level":0,"msg":"error syncing repo","error":"Run(git fetch): { stderr: ' + words + '}"}\n'
    )
    what = "git-sync in airflow-dag-processor-1: the repository has no branch main"
    assert diagnosis()[what].startswith("git push -u origin main")


# --- Secrets


@pytest.mark.parametrize(
    ("change", "words", "fix"),
    [
        (
            lambda data: data.clear(),
            "namespace airflow lacks the Secret my-etl-git-ssh (gitSshKey, known_hosts; waiting for it: no pod)",
            "make secrets",
        ),
        (
            lambda data: data.update(ssh=data.pop("gitSshKey")),
            "namespace airflow lacks the Secret my-etl-git-ssh (gitSshKey; waiting for it: no pod)",
            "make secrets",
        ),
        (
            lambda data: data.update(gitSshKey=base64.b64encode(data["gitSshKey"].encode()).decode()),
            "not what secrets/ holds: the Secrets my-etl-git-ssh (gitSshKey: encoded twice)",
            "OVERWRITE=my-etl-git-ssh make secrets && ",
        ),
        (
            lambda data: data.update(known_hosts="AAAA"),
            "the cluster's Secrets have other keys of the git server than helm/known_hosts",
            "make secrets && ",
        ),
    ],
    ids=["empty", "wrong-key", "twice", "known-hosts"],
)
def test_a_secret_that_no_pod_can_use_is_named(project, cluster, diagnosis, change, words, fix):
    secrets = secret_manifests(project)
    change(next(item for item in secrets if item["metadata"]["name"] == "my-etl-git-ssh")["data"])
    cluster.secrets_are(secrets)
    assert diagnosis()[words].startswith(fix)


def test_other_content_is_one_finding_and_the_safe_way_comes_first(project, cluster, diagnosis):
    """Two people, two checkouts: what Airflow runs with is not replaced by a command that doctor prints."""
    secrets = secret_manifests(project)
    for item in secrets:
        item["data"] = {key: base64.b64encode(b"another").decode() for key in item["data"] if key != "known_hosts"} | {
            key: value for key, value in item["data"].items() if key == "known_hosts"
        }
    cluster.secrets_are(secrets)
    found = diagnosis()
    assert len(found) == 1
    what, fix = found.popitem()
    assert what.startswith("not what secrets/ holds: the Secrets my-etl-")
    assert "my-etl-git-ssh (gitSshKey: another content), " in what
    assert fix.startswith("make keys-from-cluster, ")
    assert fix.index("lose") < fix.index("OVERWRITE=yes make secrets && ")


def test_a_checkout_without_keys_gets_them_from_the_cluster(project, cluster):
    secrets = secret_manifests(project)
    for path in (project / "secrets").iterdir():
        if path.name != ".gitignore":
            path.unlink()
    cluster.secrets_are(secrets)
    report = doctor(project, **cluster.environment)
    assert (
        f"{EN_DASH} there are no keys in this checkout; only who deploys needs them\n    make keys-from-cluster; "
        in report
    )
    assert "content not compared, as there are no keys here" in report
    cluster.secrets_are([item for item in secrets if item["metadata"]["name"] != "my-etl-git-ssh"])
    found = broken(doctor(project, expect=1, **cluster.environment))
    what = "namespace airflow lacks the Secret my-etl-git-ssh (gitSshKey; waiting for it: no pod)"
    assert found == {what: "in the checkout that has the keys: make secrets"}


def test_missing_secrets_are_one_finding_with_the_pods_that_wait(project, cluster, diagnosis):
    mounts = {"volumes": [{"name": "key", "secret": {"secretName": "my-etl-git-ssh", "defaultMode": 288}}]}
    variable = {"name": "X", "valueFrom": {"secretKeyRef": {"name": "my-etl-jwt", "key": "jwt-secret"}}}
    optional = {"envFrom": [{"secretRef": {"name": "my-etl-connections", "optional": True}}]}
    creating = {"waiting": {"reason": "ContainerCreating"}}
    config = {"waiting": {"reason": "CreateContainerConfigError", "message": 'secret "my-etl-jwt" not found'}}
    cluster.pods_are(
        pod("airflow-dag-processor-1", "dag-processor", ready=False, spec=mounts, **creating),
        pod("airflow-worker-0", "worker", ready=False, spec={"containers": [{"env": [variable]}, optional]}, **config),
        pod("airflow-worker-1", "worker", ready=False, spec=mounts, **creating),
    )
    gone = ("my-etl-git-ssh", "my-etl-jwt", "my-etl-admin")
    cluster.secrets_are([item for item in secret_manifests(project) if item["metadata"]["name"] not in gone])
    (what,) = found = diagnosis()
    assert found[what] == "make secrets"
    for words in (
        "my-etl-git-ssh (gitSshKey, known_hosts; waiting for it: airflow-dag-processor-1, airflow-worker-1)",
        "my-etl-jwt (jwt-secret; waiting for it: airflow-worker-0)",
        "my-etl-admin (password; waiting for it: no pod)",
    ):
        assert words in what


def test_nothing_deployed_is_one_finding(cluster, diagnosis):
    cluster.pods_are()
    cluster.secrets_are([])
    assert diagnosis() == {"nothing of release airflow runs in namespace airflow": "make deploy"}


# --- Pods


def test_pods_that_wait_are_named_once_for_each_cause(cluster, diagnosis):
    pulling = {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}
    cluster.answer("logs airflow-c -c scheduler --tail=200", "first\nsqlalchemy: no such database\n")
    cluster.pods_are(
        pod("airflow-a", "triggerer", ready=False, **pulling),
        pod("airflow-b", "triggerer", ready=False, **pulling),
        pod("airflow-c", "scheduler", ready=False, **CRASHING),
        pod("airflow-d", "worker", ready=False, terminated={"exitCode": 0}),
    )
    found = diagnosis()
    assert "not ready: airflow-a, airflow-b: triggerer: ImagePullBackOff no such image" in found
    what = "not ready: airflow-c: scheduler: CrashLoopBackOff back-off 5m0s restarting"
    fix = found[f"{what}; its last words: sqlalchemy: no such database"]
    assert fix.endswith("logs airflow-c -c scheduler --previous")


def test_a_pod_of_a_replica_set_that_is_replaced_is_no_finding(project, cluster):
    old, new = replica_set("airflow-triggerer-7f", 1), replica_set("airflow-triggerer-9c", 2)
    cluster.pods_are(
        old,
        new,
        *WELL,
        pod("airflow-triggerer-7f-x", "triggerer", ready=False, replica_set="airflow-triggerer-7f", **CRASHING),
        pod("airflow-triggerer-9c-y", "triggerer", replica_set="airflow-triggerer-9c"),
    )
    assert "pods of release airflow: 3, all of them ready" in doctor(project, **cluster.environment)


def test_a_container_that_runs_and_is_not_ready_yet_starts(project, cluster):
    """Recorded: until the startup probe passes, `started` is false and `state` is running."""
    starting = pod("airflow-api-server-2", "api-server", ready=False, running={"startedAt": "2026-11-29T02:40:00Z"})
    cluster.pods_are(*WELL, starting)
    report = doctor(project, **cluster.environment)
    assert f"{EN_DASH} not ready yet: airflow-api-server-2: starts" in report
    assert "waits for a node" not in report


def test_a_pod_that_waits_for_its_volume_says_so(cluster, diagnosis):
    waiting = pod("airflow-worker-0", "worker", ready=False)
    waiting["spec"] = {"volumes": [{"persistentVolumeClaim": {"claimName": "my-etl-data"}}]}
    message = "0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims."
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    waiting["status"] = {"phase": "Pending", "conditions": [condition]}
    cluster.pods_are(*WELL, waiting)
    assert "not ready: airflow-worker-0: waits for its volume: my-etl-data" in diagnosis()


# --- git-sync


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ("git@github.com: Permission denied (publickey).", "does not know this deploy key"),
        ("Host key verification failed.", "cannot prove a key of helm/known_hosts"),
        ('Load key \\"/etc/git-secret/ssh\\": error in libcrypto', "its text is damaged"),
        ("ssh: Could not resolve hostname git.example: Name or service not known", "there is no server"),
    ],
)
def test_what_git_sync_says_is_translated(cluster, diagnosis, error, words):
    cluster.answer("logs", '{"level":0,"msg":"starting up"}\n' + failing(error))
    found = diagnosis()
    assert any(what.startswith("git-sync in airflow-dag-processor-1: ") and words in what for what in found), found


def failing(error):
    return f'{{"msg":"error syncing repo, will retry","error":"exit status 128: {{ stderr: \\"{error}\\" }}"}}\n'


def test_a_crashing_git_sync_is_read_once_for_all_its_pods(cluster, diagnosis):
    """What it said last says nothing; the error is in the lines before, of the container's run before this one."""
    last = '{"msg":"too many failures, aborting","error":"Run(git fetch): exit status 128","failCount":4}\n'
    said = failing("ERROR: Repository not found.\\nfatal: Could not read") + last
    cluster.answer("logs airflow-dag-processor-1 -c git-sync --tail=200", said)
    names = {"airflow-dag-processor-1": "dag-processor", "airflow-triggerer-0": "triggerer"}
    crashing = [pod(name, of, ready=False, git_sync=True, **CRASHING) for name, of in names.items()]
    cluster.pods_are(WELL[0], *crashing)
    found = diagnosis()
    assert [what.partition(": ")[0] for what in found] == ["git-sync in airflow-dag-processor-1, airflow-triggerer-0"]
    assert "that this login may see" in next(iter(found))


# --- Airflow


def test_a_paused_dag_and_an_import_error_are_named(cluster, diagnosis):
    cluster.airflow_says("dags list", [{"dag_id": "transform", "is_paused": "True"}])
    errors = [{"filepath": "transform.py", "error": "Traceback\nModuleNotFoundError: No module named 'polars'"}]
    cluster.airflow_says("dags list-import-errors", errors)
    found = diagnosis()
    fix = found["the DAG transform is paused: it shows up and does not run"]
    # What it missed meanwhile does not come by itself.
    assert fix.index("airflow dags unpause transform") < fix.index("make trigger DAG=transform CONF=")
    assert found["Airflow cannot import transform.py: ModuleNotFoundError: No module named 'polars'"] == "make test"


ORDERS = """
'PostgresHook("in_words") or conn_id="in_words" is what one could write.'
from airflow.sdk import BaseHook, Connection

SHOP = Connection.get("shop_api")

def read(http):
    BaseHook.get_connection("erp")
    PostgresHook("warehouse").get_records("select 1")
    S3Hook(
        aws_conn_id="lake")
    Hook(conn_id="")
    dict(default_args={"http_conn_id": "prices"})
    SqlOperator(conn_id="{{ params.database }}")
"""


def test_connections_that_nobody_provides_are_named(project, cluster, diagnosis):
    (project / "dags/orders.py").write_text(ORDERS)
    values = project / "helm/values.yaml"
    values.write_text(values.read_text().replace("\nenv:\n", "\nenv:\n  - {name: ETL_NOTIFY, value: me@example.com}\n"))
    report = doctor(project, "--offline", expect=1)
    assert (
        f"{EN_DASH} dags/orders.py:5 names the connection shop_api, and nobody provides it, as far as can be " in report
    )

    (project / "secrets/connections.env").write_text("AIRFLOW_CONN_SHOP_API=https://shop.example\n")
    data = {"AIRFLOW_CONN_ERP": "eA=="}
    there = {"metadata": {"name": "my-etl-connections"}, "data": data}
    cluster.secrets_are([*secret_manifests(project), there])
    cluster.airflow_says("connections list", [{"conn_id": "warehouse", "conn_type": "postgres"}])
    missing = {what: fix for what, fix in diagnosis().items() if "nobody provides it" in what}
    assert list(missing) == [
        "dags/orders.py:11 names the connection lake, and nobody provides it",
        "dags/orders.py:13 names the connection prices, and nobody provides it",
        "ETL_NOTIFY names the connection smtp_default, and nobody provides it",
    ]
    first = next(iter(missing.values()))
    assert first == "write AIRFLOW_CONN_LAKE=… into secrets/connections.env, then make secrets"


def test_a_login_without_rights_is_said_and_is_no_fault_of_the_project(project, cluster):
    cluster.answer("get secret", 'Error from server (Forbidden): secrets is forbidden: User "dev" cannot list\n', 1)
    report = doctor(project, **cluster.environment)
    assert f"{EN_DASH} the Secrets: you may not do that in namespace airflow" in report
    assert "✓ pods of release airflow: 2, all of them ready" in report


# --- make pod-dags


def pod_dags(project, cluster, expect=1, **environment):
    command_line = [sys.executable, "-m", "etl_tools.cluster.pods"]
    return command(project, *command_line, expect=expect, **cluster.environment, **environment)


def test_pod_dags_says_what_failed_in_the_pod(project, tmp_path):
    """The script runs here, for real, in a folder that stands for the pod's."""
    cluster = Recorder(tmp_path / "kubectl")
    cluster.answer("config view", json.dumps(SERVER))
    cluster.answer("get replicasets,pods", json.dumps({"items": WELL}))
    home = tmp_path / "pod"
    assert "the repository is not fetched yet: make logs-sync says why" in pod_dags(
        project, cluster, AIRFLOW_HOME=str(home)
    )
    worktree = home / "dags/.worktrees/0a1b2c"
    worktree.mkdir(parents=True)
    (home / "dags/repo").symlink_to(".worktrees/0a1b2c")
    assert "commit 0a1b2c has no folder dags/" in pod_dags(project, cluster, AIRFLOW_HOME=str(home))
    (worktree / "dags").mkdir()
    airflow = tmp_path / "bin/airflow"
    airflow.parent.mkdir()
    airflow.write_text("#!/bin/sh\necho a line >&2\necho 'OperationalError: no database' >&2\nexit 1\n")
    airflow.chmod(0o755)
    path = f"{airflow.parent}:{os.environ['PATH']}"
    printed = pod_dags(project, cluster, expect=0, AIRFLOW_HOME=str(home), PATH=path)
    assert "\nCommit in the pod: 0a1b2c\n" in printed
    assert "  airflow dags list failed: OperationalError: no database\n" in printed


def test_pod_dags_names_the_state_of_a_pod_that_does_not_run(project, tmp_path):
    cluster = Recorder(tmp_path / "kubectl")
    cluster.answer("config view", json.dumps(SERVER))
    cluster.answer("exec", 'error: unable to upgrade connection: container not found ("dag-processor")\n', 1)
    crashed = pod("airflow-dag-processor-1", "dag-processor", ready=False, **CRASHING)
    cluster.answer("get replicasets,pods", json.dumps({"items": [crashed]}))
    printed = pod_dags(project, cluster)
    assert 'container not found ("dag-processor"); airflow-dag-processor-1: dag-processor: CrashLoopBackOff' in printed
