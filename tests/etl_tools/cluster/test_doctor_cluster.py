"""`make doctor` and `make pod-dags` on a cluster, as a recorded kubectl answers: one finding for one cause."""

# ruff: noqa: F401, F811 (fixtures are imported by name)

import base64
import json
import os
import re
import shutil
import socket
import sys

import pytest

from tests.conftest import secret_manifests
from tests.etl_tools.cluster import helm_chart, states
from tests.etl_tools.cluster.cluster import Cluster as FakeCluster
from tests.etl_tools.cluster.kubectl_recorder import Recorder
from tests.etl_tools.cluster.test_doctor import (
    broken,
    command,
    deployed,
    doctor,
    kind,
    project,
    replace,
    server,
    write_known_hosts,
)
from tests.etl_tools.in_process import etl

pytestmark = pytest.mark.servers
LISTED = "get deployments,statefulsets,jobs,replicasets,pods"
DAGS = "dags list --columns dag_id,is_paused,is_stale,timetable_summary"
EN_DASH = "\N{EN DASH}"


def pod(name, component, ready=True, spec=None, replica_set="", **state):
    """A pod as `kubectl get --output=json` prints it."""
    container = "git-sync" if state.pop("git_sync", False) else component
    image = "apache/airflow:9"
    status = [{"name": container, "image": image, "ready": ready, "started": ready, "state": state or {"running": {}}}]
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
        self.answer("get events", json.dumps({"items": []}))

    def secrets_are(self, items):
        self.answer("get secret", json.dumps({"items": items}))
        self.answer("get secrets", "".join(f"secret/{item['metadata']['name']}\n" for item in items))

    def pods_are(self, *items):
        self.answer(LISTED, json.dumps({"items": items}))

    def state_is(self, *names):
        """Beside what is well: states that a real cluster was in."""
        self.pods_are(*WELL, *states.items(*names))
        events = states.events(*names)
        creates = [event for event in events if event["reason"] == "FailedCreate"]
        self.answer("get events --field-selector=reason=FailedCreate", json.dumps({"items": creates}))
        claims = [event for event in events if event["involvedObject"]["kind"] == "PersistentVolumeClaim"]
        selector = "--field-selector=involvedObject.kind=PersistentVolumeClaim,type=Warning"
        self.answer(f"get events {selector}", json.dumps({"items": claims}))

    def airflow_says(self, command, table):
        """Answer as Airflow does in the API server's pod: log lines first, then JSON."""
        where = ["exec", "deployment/airflow-api-server", "--container=api-server", "--", "sh", "-c"]
        command = DAGS if command == "dags list" else command
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
    cluster.answer_words([*where, f"airflow {DAGS} --output json || true"], text)
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
    pulling = {"waiting": {"reason": "ImagePullBackOff", "message": "Back-off: ErrImagePull: no such image"}}
    cluster.answer("logs airflow-c -c scheduler --tail=200", "first\nsqlalchemy: no such database\n")
    cluster.pods_are(
        pod("airflow-a", "triggerer", ready=False, **pulling),
        pod("airflow-b", "triggerer", ready=False, **pulling),
        pod("airflow-c", "scheduler", ready=False, **CRASHING),
        pod("airflow-d", "worker", ready=False, terminated={"exitCode": 0}),
    )
    found = diagnosis()
    assert "the image apache/airflow:9 cannot be pulled (airflow-a, airflow-b): no such image" in found
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
    assert "not ready: airflow-worker-0: no volume yet for my-etl-data" in diagnosis()


# --- States that a real cluster was in


def cut(found):
    """Findings without what is said of git-sync."""
    return {what: fix for what, fix in found.items() if not what.startswith("git-sync")}


@pytest.mark.parametrize(
    ("state", "words", "fix"),
    [
        (
            "pod-security",
            "pods are missing, the cluster refuses them: deployment/refused-by-policy, statefulset/refused-set: "
            '0 of 1 pods: violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false',
            "set securityContexts that it allows in helm/values.yaml, then make deploy; or ",
        ),
        (
            "quota",
            "pods are missing, the cluster refuses them: deployment/over-quota: 1 of 2 pods: exceeded quota: small, ",
            "describe resourcequota; ask for less",
        ),
        (
            "image-missing",
            "the image redis:7.2-nosuch cannot be pulled (image-missing-5894bf78f6-78gkm): ",
            "correct the tag in helm/values.yaml, or build and push it: make image; from a private registry: ",
        ),
        (
            "stuck",
            "pods of an older revision are not ready, and the new ones wait for them: stuck-0",
            "delete pod stuck-0",
        ),
        (
            "oom",
            "not ready: oom-54d77fc65b-zkrb5: main: ended for want of memory (OOMKilled)",
            "raise resources.limits",
        ),
        (
            "volume-pending",
            "not ready: volume-pending-579bc49d4b-c88hd: no volume yet for no-class: "
            'storageclass.storage.k8s.io "nosuch" not found',
            "get storageclass; name one",
        ),
        (
            "too-large",
            "not ready: too-large-bdf5b4797-74h5z: no place on a node: 0/1 nodes are available: 1 Insufficient memory.",
            "describe pod too-large",
        ),
        (
            "job-failed",
            "not ready: job-failed-x592b: main: ended with 1 Error; its last words: ",
            "logs job-failed-x592b",
        ),
    ],
    ids=lambda value: value if " " not in value else "",
)
def test_a_state_is_one_finding_with_the_way_out(cluster, diagnosis, state, words, fix):
    cluster.state_is(state)
    found = cut(diagnosis())
    (what,) = found
    assert what.startswith(words), what
    assert fix in found[what]


def test_a_release_that_is_well_lacks_nothing(project, cluster):
    cluster.pods_are(*states.items("healthy"))
    report = doctor(project, **cluster.environment)
    assert "✓ pods of release airflow: 9, all of them ready" in report
    # One of two workers has gone, and nobody says why yet: that is not called well.
    *rest, last = states.items("healthy")
    assert last["metadata"]["name"] == "airflow-worker-1"
    cluster.pods_are(*rest)
    report = doctor(project, **cluster.environment)
    assert f"{EN_DASH} not ready yet: statefulset/airflow-worker: starts: 1 of 2 pods" in report
    assert "all of them ready" not in report
    # A revision that some pods have yet to get.
    last["metadata"]["labels"]["controller-revision-hash"] = "older"
    cluster.pods_are(*rest, last)
    assert "starts: 1 of 2 pods are of an older revision" in doctor(project, **cluster.environment)


def test_the_memory_of_what_waits_for_the_migration_is_that_of_the_component(cluster, diagnosis):
    """The chart gives it the component's limits, and helm/values.yaml has no name for it."""
    state = states.ALL["no-memory-to-wait-for-the-migration"]
    cluster.pods_are(*[item for item in WELL if "-scheduler" not in item["metadata"]["name"]], *state["items"])
    (fix,) = diagnosis().values()
    assert fix == "raise resources.limits.memory of scheduler in helm/values.yaml, then make deploy"


def test_a_rollout_that_was_paused_is_named(cluster, diagnosis):
    items = states.items("image-missing")
    items[0]["spec"]["paused"] = True
    items[0]["status"]["updatedReplicas"] = 0
    ready = items[-1]["status"]
    ready["conditions"], ready["containerStatuses"] = [], [{"name": "main", "ready": True, "state": {"running": {}}}]
    cluster.pods_are(*WELL, *items)
    found = diagnosis()
    assert list(found) == ["deployment/image-missing: its rollout is paused"]
    assert found.popitem()[1].endswith("rollout resume deployment/image-missing")


def test_volumes_without_a_storage_class_are_one_finding(cluster, diagnosis):
    cluster.state_is("volume-pending")
    items = states.items("volume-pending")
    other = json.loads(json.dumps(items).replace("volume-pending", "other").replace("no-class", "logs"))
    cluster.pods_are(*WELL, *items, *other)
    (what,) = cut(diagnosis())
    names = "other-579bc49d4b-c88hd, volume-pending-579bc49d4b-c88hd"
    assert what.startswith(
        f'not ready: {names}: no volume yet for logs, no-class: storageclass.storage.k8s.io "nosuch"'
    )


def test_all_that_a_policy_refuses_is_one_finding_though_no_pod_is_there(cluster, diagnosis):
    """Nine pods are wanted, none is there: that was `1 pod, all of them ready`."""
    cluster.state_is("pod-security")
    cluster.pods_are(*states.items("pod-security"))
    assert len(diagnosis()) == 1


def test_pods_with_the_same_image_are_one_finding(cluster, diagnosis):
    items = states.items("image-missing")
    other = json.loads(json.dumps(items).replace("image-missing", "other"))
    items[-1]["status"]["containerStatuses"][0]["state"]["waiting"]["reason"] = "ErrImagePull"
    cluster.pods_are(*WELL, *items, *other)
    (what,) = cut(diagnosis())
    assert "(image-missing-5894bf78f6-78gkm, other-5894bf78f6-78gkm)" in what


def test_what_somebody_deleted_is_missing_though_all_pods_are_ready(project, cluster, tmp_path):
    there = FakeCluster(project, tmp_path / "fake", helm_chart.tools() / "helm")
    there["releases.json"] = [{"name": "airflow"}]
    kinds = {"api-server": "Deployment", "scheduler": "Deployment", "worker": "StatefulSet"}
    there["manifest.yaml"] = "".join(
        f"---\nkind: {kind}\nmetadata:\n  name: airflow-{name}\n" for name, kind in kinds.items()
    )
    environment = there.environment | cluster.environment | {"GIT_ALLOW_PROTOCOL": "ssh"}
    cluster.answer("get deployments,statefulsets", "deployment.apps/airflow-api-server\n")
    found = broken(doctor(project, expect=1, **environment))
    what = "the release should have deployment.apps/airflow-scheduler, statefulset.apps/airflow-worker, and somebody "
    assert found == {f"{what}deleted it": "make deploy"}
    names = [f"{kind.lower()}.apps/airflow-{name}" for name, kind in kinds.items()]
    cluster.answer("get deployments,statefulsets", "\n".join(names))
    assert not broken(doctor(project, **environment))
    # What cannot be read is said, and keeps nothing else from being looked at.
    there["manifest.yaml"] = "kind: {"
    report = doctor(project, **environment)
    assert "what the release should have: while parsing" in report
    assert "Airflow lists" in report


def test_a_pod_without_an_image_is_not_asked_what_it_says(project, cluster):
    """`container "git-sync" in pod "x" is waiting to start` is no second finding."""
    pulling = {"waiting": {"reason": "ImagePullBackOff", "message": "Back-off: ErrImagePull: no such image"}}
    cluster.answer("logs", 'Error from server (BadRequest): container "git-sync" is waiting to start: x\n', 1)
    cluster.pods_are(WELL[0], pod("airflow-dag-processor-1", "dag-processor", ready=False, **pulling))
    report = doctor(project, expect=1, **cluster.environment)
    assert len(broken(report)) == 1
    assert "what git-sync says" not in report


def test_a_failed_job_whose_pods_have_gone_is_named(cluster, diagnosis):
    job, _ = states.items("job-failed")
    cluster.pods_are(*WELL, job)
    assert list(diagnosis()) == ["job/job-failed: failed: Job has reached the specified backoff limit"]


def test_a_job_that_is_done_is_no_finding_and_one_at_work_says_so(project, cluster):
    cluster.state_is("job-done", "job-running")
    report = doctor(project, **cluster.environment)
    assert f"{EN_DASH} not ready yet: job-running-f6xk7: at work" in report
    assert "job-done" not in report
    # Its container has ended, and the pod's phase does not say so yet.
    _, job_pod = states.items("job-done")
    job_pod["status"]["phase"] = "Running"
    cluster.pods_are(*WELL, job_pod)
    assert "pods of release airflow: 2, all of them ready" in doctor(project, **cluster.environment)


def test_a_lost_node_is_the_finding(cluster, diagnosis):
    """Recorded: the containers stay ready, the pods are not."""
    lost = pod("airflow-worker-0", "worker", spec={"nodeName": "node1"})
    lost["status"]["conditions"] = [{"type": "Ready", "status": "False"}]
    other = json.loads(json.dumps(lost).replace("worker-0", "worker-1"))
    cluster.pods_are(*WELL, lost, other)
    found = diagnosis()
    (what,) = found
    assert what == "the node node1 does not answer: airflow-worker-0, airflow-worker-1"
    assert found[what].endswith("describe node node1")


def test_a_database_that_does_not_answer_is_read_where_it_is_said(cluster, diagnosis):
    starting = pod("airflow-scheduler-2", "scheduler", ready=False, waiting={"reason": "PodInitializing"})
    init = {"name": "wait-for-airflow-migrations", "ready": False, "state": {"running": {}}}
    starting["status"]["initContainerStatuses"] = [init]
    cluster.pods_are(*WELL, starting)
    error = 'psycopg2.OperationalError: could not translate host name "nowhere" to address'
    cluster.answer("logs airflow-scheduler-2 -c wait-for-airflow-migrations", f"INFO - Waiting\n{error}\n")
    (what,) = diagnosis()
    assert what.endswith(f"runs wait-for-airflow-migrations; its last error: {error}")


def test_a_log_that_cannot_be_read_hides_no_other_pod(cluster, diagnosis):
    """Recorded of a container that has not begun, or whose node is lost."""
    error = 'Error from server (BadRequest): container "scheduler" in pod "airflow-c" is waiting to start\n'
    cluster.answer("logs airflow-c -c scheduler", error, 1)
    cluster.pods_are(
        *WELL, pod("airflow-c", "scheduler", ready=False, **CRASHING), *states.items("oom", "image-missing")
    )
    found = list(diagnosis())
    assert len(found) == 3
    assert any("airflow-c: scheduler: CrashLoopBackOff" in what and "cannot be read" in what for what in found)


def test_an_unregistered_key_is_one_finding(project, server, cluster):
    """Said of the server; that git-sync cannot fetch either, and that other pods wait for it, is the same."""
    server.register("")
    said = failing("git@127.0.0.1: Permission denied (publickey).")
    cluster.answer("logs", said)
    crashing = pod("airflow-dag-processor-1", "dag-processor", ready=False, git_sync=True, **CRASHING)
    waits = pod("airflow-triggerer-0", "triggerer", ready=False, waiting={"reason": "PodInitializing"})
    waits["status"]["initContainerStatuses"] = [{"name": "git-sync-init", "ready": False, "state": {"running": {}}}]
    cluster.pods_are(WELL[0], crashing, waits)
    report = doctor(project, expect=1, **cluster.environment)
    assert len(broken(report)) == 1, report
    assert "does not know this deploy key" in next(iter(broken(report)))
    assert "airflow-triggerer-0" not in report


def test_known_hosts_without_the_server_is_one_finding(project, cluster, diagnosis):
    cluster.answer("logs", failing("Host key verification failed."))
    (project / "helm/known_hosts").write_text("# none\n")
    values = project / "helm/values.yaml"
    text = values.read_text()
    start = text.index("    knownHosts: |\n") + len("    knownHosts: |\n")
    end = next(
        place for place in range(start, len(text)) if text[place - 1] == "\n" and text[place : place + 6] != " " * 6
    )
    values.write_text(f"{text[:start]}      # none\n{text[end:]}")
    cluster.secrets_are(secret_manifests(project))
    found = [what for what in diagnosis() if "known_hosts" in what or "key" in what]
    assert len(found) == 1, found


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


# --- make deploy


def another_host_key(project, server):
    other = server.new_host_key(f"other-{project.parent.name}")
    write_known_hosts(project, f"[127.0.0.1]:{server.port} {' '.join(other)}\n")


def another_branch(project, server):
    replace(project, "pyproject.toml", 'git_branch = "main"', 'git_branch = "production"')
    replace(project, "helm/values.yaml", 'ref: "main"', 'ref: "production"')


def another_folder(project, server):
    """It is here, and was never pushed."""
    shutil.copytree(project / "dags", project / "etl")
    replace(project, "pyproject.toml", 'dags_subpath = "dags"', 'dags_subpath = "etl"')
    replace(project, "helm/values.yaml", 'subPath: "dags"', 'subPath: "etl"')


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda _, server: server.register(""), "127.0.0.1 does not know this deploy key"),
        (another_host_key, "127.0.0.1 shows another key than helm/known_hosts holds"),
        (another_branch, "the repository has no branch production"),
        (another_folder, "there is no Python file in etl/ on branch main"),
    ],
)
def test_what_the_git_server_refuses_stops_a_deploy_before_anything_changes(project, server, tmp_path, damage, words):
    """It took 15 minutes, pods that wait and a release that failed."""
    damage(project, server)
    there = FakeCluster(project, tmp_path / "fake", helm_chart.tools() / "helm")
    printed = there.make("deploy", expect=2, GIT_ALLOW_PROTOCOL="ssh")
    assert f"make deploy: nothing was changed: {words}" in printed
    assert not there.writes()
    assert "Airflow runs." in there.make("deploy", GIT_ALLOW_PROTOCOL="ssh", FORCE="yes")


def test_a_server_that_cannot_be_reached_from_here_stops_no_deploy(project, tmp_path):
    """The cluster may be on another network."""
    with socket.socket() as taken:  # and nobody listens
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        for name in ("pyproject.toml", "helm/values.yaml", "helm/known_hosts"):
            text = (project / name).read_text()
            (project / name).write_text(re.sub(r"(127\.0\.0\.1\]?:)\d+", rf"\g<1>{port}", text))
        there = FakeCluster(project, tmp_path / "fake", helm_chart.tools() / "helm")
        assert "Airflow runs." in there.make("deploy", GIT_ALLOW_PROTOCOL="ssh")


# --- Airflow


def test_a_paused_dag_and_an_import_error_are_named(cluster, diagnosis):
    asset = {"timetable_summary": "Partitioned Asset"}
    cluster.airflow_says("dags list", [{"dag_id": "transform", "is_paused": "True"} | asset])
    errors = [{"filepath": "transform.py", "error": "Traceback\nModuleNotFoundError: No module named 'polars'"}]
    cluster.airflow_says("dags list-import-errors", errors)
    found = diagnosis()
    fix = found["the DAG transform is paused: it shows up and does not run"]
    # What it missed meanwhile does not come by itself.
    assert fix.index("airflow dags unpause transform") < fix.index("make trigger DAG=transform CONF=")
    what = "Airflow cannot import transform.py: ModuleNotFoundError: No module named 'polars'"
    assert found[what].startswith("make add PKG=polars ")


def test_a_package_that_laptop_and_image_lack_is_one_finding(project, cluster, diagnosis):
    dag = project / "dags/needs.py"
    dag.write_text("import nosuchpackage\n")
    error = "ModuleNotFoundError: No module named 'nosuchpackage'"
    cluster.airflow_says("dags list-import-errors", [{"filepath": "needs.py", "error": f"Traceback\n{error}"}])
    found = {what: fix for what, fix in diagnosis().items() if "nosuchpackage" in what}
    assert len(found) == 1
    assert next(iter(found.values())).startswith("make add PKG=nosuchpackage ")


def test_advice_about_days_goes_with_dags_that_get_them_from_others(cluster, diagnosis):
    cluster.airflow_says("dags list", [{"dag_id": "extract", "is_paused": "True", "timetable_summary": "0 0 * * *"}])
    fix = diagnosis()["the DAG extract is paused: it shows up and does not run"]
    assert fix.endswith("airflow dags unpause extract")


def test_a_dag_whose_file_has_gone_is_not_called_paused(project, cluster):
    """Recorded: Airflow lists it on, paused and stale."""
    gone = {"dag_id": "hello1", "is_paused": "True", "is_stale": "True"}
    cluster.airflow_says("dags list", [{"dag_id": "extract", "is_paused": "False", "is_stale": "False"}, gone])
    report = doctor(project, **cluster.environment)
    assert "✓ Airflow lists extract\n" in report
    cluster.airflow_says("dags list", [gone])
    assert "Airflow knows no DAG yet" in broken(doctor(project, expect=1, **cluster.environment))


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
    return etl(project, "pod-dags", expect=expect, **cluster.environment, **environment)


def test_pod_dags_says_what_failed_in_the_pod(project, tmp_path):
    """The script runs here, for real, in a folder that stands for the pod's."""
    cluster = Recorder(tmp_path / "kubectl")
    cluster.answer("config view", json.dumps(SERVER))
    cluster.answer(LISTED, json.dumps({"items": WELL}))
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
    assert "Import errors:\n  airflow dags list-import-errors failed: OperationalError: no database\n" in printed
    # As Airflow prints them: it fails, too.
    airflow.write_text("#!/bin/sh\necho 'filepath  error'\necho 'one.py    SyntaxError'\nexit 1\n")
    printed = pod_dags(project, cluster, expect=0, AIRFLOW_HOME=str(home), PATH=path)
    assert printed.endswith("Import errors:\nfilepath  error\none.py    SyntaxError\n")


def test_pod_dags_names_the_state_of_a_pod_that_does_not_run(project, tmp_path):
    cluster = Recorder(tmp_path / "kubectl")
    cluster.answer("config view", json.dumps(SERVER))
    cluster.answer("exec", 'error: unable to upgrade connection: container not found ("dag-processor")\n', 1)
    crashed = pod("airflow-dag-processor-1", "dag-processor", ready=False, **CRASHING)
    cluster.answer(LISTED, json.dumps({"items": [crashed]}))
    printed = pod_dags(project, cluster)
    assert 'container not found ("dag-processor"); airflow-dag-processor-1: dag-processor: CrashLoopBackOff' in printed
