"""A namespace of its own: deploy, break, doctor, two people, rotate, scale, roll back, undeploy, and all is removed.

The API server decides; whether containers really run does not matter: on a cluster without a kubelet something has to
report pods as ready. TEST_CLUSTER_REPOSITORY is a public repository that nodes can reach (a folder `dags` in it is not
needed), CHART a chart at hand in place of the published one.
"""

import base64
import json
import os
import re
import secrets
import subprocess
import time

import pytest

from tests.conftest import bake_into, make_command, run
from tests.etl_tools.cluster import helm_chart

REPOSITORY = os.environ.get("TEST_CLUSTER_REPOSITORY", "https://github.com/octocat/Hello-World.git")
BRANCH = os.environ.get("TEST_CLUSTER_BRANCH", "master")
KEPT = {name: os.environ[name] for name in ("KUBECONFIG", "CHART", "TIMEOUT") if name in os.environ}


class Installation:
    """A checkout, and the namespace that it deploys to."""

    def __init__(self, project, namespace, tools):
        self.project, self.namespace, self.tools = project, namespace, tools
        self.environment = KEPT | {"KUBECTL": str(tools / "kubectl"), "HELM": str(tools / "helm"), "CONTEXT": ""}
        # The repository has no folder of DAGs, which would stop a deploy.
        self.environment["FORCE"] = "yes"

    def make(self, *words, expect=0, **environment):
        printed = run([*make_command(), *words], cwd=self.project, expect=expect, **(self.environment | environment))
        assert "Traceback" not in printed, printed
        return printed

    def kubectl(self, *words, check=True):
        command = [self.tools / "kubectl", "--namespace", self.namespace, *words]
        return subprocess.run(command, capture_output=True, text=True, check=check).stdout

    def broken(self):
        """Return what doctor finds broken here → the line below it, without what is said of the git server."""
        report = self.make("doctor", expect=None)
        return dict(re.findall(r"^\N{BALLOT X} (.*)\n {4}(.*)$", report, re.MULTILINE))

    def content(self, secret, key):
        return self.kubectl("get", "secret", secret, f"--output=jsonpath={{.data.{key}}}")

    def beside(self, folder):
        """Return a clone of the checkout, as a second person has it: without keys."""
        run(["git", "clone", "--quiet", self.project, folder], cwd=folder.parent)
        return Installation(folder, self.namespace, self.tools)


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    """A first deploy into a new namespace, which is removed with all that is in it."""
    namespace, tools = f"etl-test-{secrets.token_hex(3)}", helm_chart.tools()
    folder = tmp_path_factory.mktemp("release")
    project = bake_into(
        folder,
        project_slug="quakes",
        namespace=namespace,
        git_access="public",
        git_repo=REPOSITORY,
        git_branch=BRANCH,
        executor="LocalExecutor",
    )
    for words in (["add", "--all"], ["commit", "--quiet", "--no-verify", "-m", "Start"]):
        run(["git", *words], cwd=project)
    installation = Installation(project, namespace, tools)
    try:
        printed = installation.make("deploy")
        assert f"namespace {namespace}" in printed.splitlines()[0]
        yield installation
    finally:
        installation.kubectl("delete", "namespace", namespace, "--wait=false", check=False)


def versions(installation):
    """Return what there is → its resourceVersion, which grows with every write."""
    listed = json.loads(installation.kubectl("get", "secrets,deployments,statefulsets,services", "--output=json"))
    return {
        f"{item['kind']}/{item['metadata']['name']}": item["metadata"]["resourceVersion"]
        for item in listed["items"]
        if item["kind"] == "Secret" and item["type"] == "Opaque"
    }


def test_a_second_deploy_writes_no_secret(release):
    before = versions(release)
    assert before
    assert "nothing was written" in release.make("deploy")
    assert versions(release) == before


def test_status_shows_a_release_that_runs(release):
    printed = release.make("status")
    assert "deployed" in printed
    assert "pod/airflow-scheduler" in printed
    assert not [what for what in release.broken() if "Secret" in what or "not ready" in what]


def test_a_deleted_secret_is_named_and_what_doctor_prints_brings_it_back(release):
    before = release.content("quakes-jwt", "jwt-secret")
    release.kubectl("delete", "secret", "quakes-jwt", "quakes-fernet")
    found = release.broken()
    (what,) = [what for what in found if "Secret" in what]
    assert what.startswith(f"namespace {release.namespace} lacks the Secret ")
    assert {"quakes-fernet", "quakes-jwt"} == set(re.findall(r"quakes-\w+", what))
    assert found[what] == "make secrets"
    release.make("secrets")
    assert release.content("quakes-jwt", "jwt-secret") == before
    assert not [what for what in release.broken() if "Secret" in what]


@pytest.mark.parametrize("damage", ["another", "twice", "misnamed"])
def test_a_damaged_secret_is_named_with_a_safe_way_on(release, damage):
    before = release.content("quakes-jwt", "jwt-secret")
    value = {"another": base64.b64encode(b"another").decode(), "twice": base64.b64encode(before.encode()).decode()}
    data = {"jwt-secret": value[damage]} if damage in value else {"jwt-secret": None, "jwt": before}
    release.kubectl("patch", "secret", "quakes-jwt", "--patch", json.dumps({"data": data}))
    (fix,) = [fix for what, fix in release.broken().items() if "quakes-jwt" in what]
    if damage == "misnamed":
        assert fix.startswith("make secrets && ")
        release.make("secrets")
    else:
        assert fix.startswith(
            "make keys-from-cluster, " if damage == "another" else "OVERWRITE=quakes-jwt make secrets"
        )
        assert "keys-from-cluster" in release.make("secrets", expect=2)
        assert release.content("quakes-jwt", "jwt-secret") == value[damage]
        release.make("secrets", OVERWRITE="quakes-jwt")
    assert release.content("quakes-jwt", "jwt-secret") == before


def test_a_second_person_gets_the_keys_and_changes_nothing(release, tmp_path):
    second = release.beside(tmp_path / "clone")
    before = versions(release)
    for target in ("deploy", "secrets"):
        assert "make keys-from-cluster" in second.make(target, expect=2)
    assert "make keys-from-cluster" in second.make("doctor", expect=None)
    second.make("keys-from-cluster")
    second.make("deploy")
    assert versions(release) == before


def test_a_rotated_key_is_in_the_cluster_and_the_pods_are_new(release):
    before = release.content("quakes-jwt", "jwt-secret")
    pods = set(release.kubectl("get", "pods", "--output=name").split())
    release.make("rotate", "NAME=jwt_secret")
    assert release.content("quakes-jwt", "jwt-secret") != before
    shown = json.loads(release.kubectl("get", "pods", "--selector=component=api-server", "--output=json"))["items"]
    # Those that go are still there for a while.
    stay = [item for item in shown if "deletionTimestamp" not in item["metadata"]]
    assert stay
    assert pods.isdisjoint(f"pod/{item['metadata']['name']}" for item in stay)


def test_what_was_scaled_by_hand_is_not_reset_by_surprise(release):
    release.kubectl("scale", "deployment/airflow-api-server", "--replicas=2")
    printed = release.make("deploy", expect=2)
    assert "write it into helm/values.yaml as replicas" in printed
    assert release.kubectl("get", "deployment/airflow-api-server", "--output=jsonpath={.spec.replicas}") == "2"
    release.make("deploy", FORCE_CONFLICTS="yes")
    assert release.kubectl("get", "deployment/airflow-api-server", "--output=jsonpath={.spec.replicas}") == "1"


def test_rollback_and_undeploy_leave_the_secrets(release):
    before = versions(release)
    release.make("rollback", CONFIRM="yes")
    release.make("undeploy", CONFIRM="airflow")
    assert {name for name in versions(release) if "quakes" in name} == {name for name in before if "quakes" in name}
    for _ in range(30):  # what Helm has deleted goes one after the other
        found = release.broken()
        if f"nothing of release airflow runs in namespace {release.namespace}" in found:
            break
        time.sleep(2)
    assert found[f"nothing of release airflow runs in namespace {release.namespace}"] == "make deploy"
    assert release.kubectl("get", "deployments", "--output=name") == ""
