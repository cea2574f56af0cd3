"""make secrets and make rotate: what reaches the cluster, and that no secret stands anywhere on the way.

The cluster itself is a recorded kubectl; the git server is real, and so is kubectl where it needs no cluster.
"""

import base64
import json
import os
import pty
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from cryptography.fernet import Fernet

from tests.cluster import helm_chart
from tests.cluster.kubectl_recorder import Recorder
from tests.conftest import clean_environment
from tests.servers.git_ssh_server import GitSshServer
from tests.servers.postgres_server import PostgresServer

HTTPS = {"git_access": "https-token", "git_repo": "https://github.com/acme/my-etl.git"}
TOKEN = "ghp_" + "x" * 36


@pytest.fixture
def kubectl(tmp_path):
    return Recorder(tmp_path / "kubectl")


def make(project, *arguments, kubectl=None, expect=0, **variables):
    environment = clean_environment() | (kubectl.environment if kubectl else {}) | variables
    done = subprocess.run(
        ["make", *arguments],
        cwd=project,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert (done.returncode == 0) == (expect == 0), done.stdout
    return done.stdout


def applied(kubectl):
    """Secret name → key → bytes of the last `kubectl apply`."""
    documents = yaml.safe_load_all(kubectl.given_to("apply")[-1])
    return {
        item["metadata"]["name"]: {key: base64.b64decode(value) for key, value in item["data"].items()}
        for item in documents
    }


def secret(project, name):
    return (project / "secrets" / name).read_text()


# --- The manifests


def test_the_real_kubectl_encodes_the_same_files_the_same(bake):
    project = bake()
    files = {
        "my-etl-git-ssh": {"gitSshKey": "secrets/deploy_key", "known_hosts": "helm/known_hosts"},
        "my-etl-fernet": {"fernet-key": "secrets/fernet_key"},
        "my-etl-api-secret": {"api-secret-key": "secrets/api_secret_key"},
        "my-etl-jwt": {"jwt-secret": "secrets/jwt_secret"},
        "my-etl-postgres": {"postgres-password": "secrets/postgres_password"},
        "my-etl-redis": {"password": "secrets/redis_password"},
        "my-etl-admin": {"password": "secrets/admin_password"},
    }
    ours = {
        item["metadata"]["name"]: item["data"]
        for item in yaml.safe_load_all((project / "secrets/kubernetes.yaml").read_text())
    }
    for name, keys in files.items():
        sources = [f"--from-file={key}={path}" for key, path in keys.items()]
        command = ["create", "secret", "generic", name, *sources, "--dry-run=client", "--output=json"]
        made = subprocess.run([helm_chart.tools() / "kubectl", *command], cwd=project, capture_output=True, check=True)
        assert ours[name] == json.loads(made.stdout)["data"]


def test_every_kubernetes_takes_the_manifests(bake):
    items = list(yaml.safe_load_all((bake() / "secrets/kubernetes.yaml").read_text()))
    versions = helm_chart.kubernetes_versions("1.30")
    assert len(items) == 9
    assert len(versions) > 3
    assert not [
        error for item in items for version in versions for error in helm_chart.kubernetes_errors(item, version)
    ]


# --- make secrets


def test_secrets_go_to_the_cluster_byte_for_byte(bake_fresh, kubectl):
    project = bake_fresh()
    output = make(project, "secrets", kubectl=kubectl)
    assert kubectl.calls() == [
        "get namespace airflow --ignore-not-found -o name",
        "apply --server-side --force-conflicts -f -",
    ]
    assert kubectl.given_to("apply") == [(project / "secrets/kubernetes.yaml").read_text()]
    assert applied(kubectl)["my-etl-git-ssh"]["gitSshKey"] == (project / "secrets/deploy_key").read_bytes()
    assert secret(project, "admin_password") not in output


def test_a_missing_namespace_is_made(bake_fresh, kubectl):
    kubectl.answer("get namespace")
    make(bake_fresh(namespace="etl"), "secrets", kubectl=kubectl)
    assert kubectl.calls()[:2] == ["get namespace etl --ignore-not-found -o name", "create namespace etl"]


def test_who_may_not_see_namespaces_still_gets_the_secrets_there(bake_fresh, kubectl):
    forbidden = 'Error from server (Forbidden): namespaces "airflow" is forbidden: User "dev" cannot get resource\n'
    kubectl.answer("get namespace", forbidden, 1)
    make(bake_fresh(), "secrets", kubectl=kubectl)
    assert len(kubectl.given_to("apply")) == 1


def test_secrets_are_made_first_where_they_are_missing(bake_fresh, kubectl):
    project = bake_fresh()
    (project / "secrets/jwt_secret").unlink()
    make(project, "secrets", kubectl=kubectl)
    assert applied(kubectl)["my-etl-jwt"]["jwt-secret"].decode() == secret(project, "jwt_secret")


def test_the_token_goes_into_the_secret_and_nowhere_else(bake_fresh, kubectl):
    project = bake_fresh(**HTTPS)
    output = make(project, "secrets", kubectl=kubectl, GIT_TOKEN=TOKEN)
    assert applied(kubectl)["my-etl-git-token"] == {
        "GITSYNC_USERNAME": b"x-access-token",
        "GITSYNC_PASSWORD": TOKEN.encode(),
        "GIT_SYNC_USERNAME": b"x-access-token",
        "GIT_SYNC_PASSWORD": TOKEN.encode(),
    }
    assert TOKEN not in output
    assert not any(TOKEN in call for call in kubectl.calls())  # command lines are seen by everybody
    for path in project.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert TOKEN.encode() not in content, path
            assert base64.b64encode(TOKEN.encode()) not in content, path


def test_a_bundle_gets_the_token_as_a_connection(bake_fresh, kubectl):
    project = bake_fresh(dag_delivery="git-dag-bundle", **HTTPS)
    make(project, "secrets", kubectl=kubectl, GIT_TOKEN=TOKEN, GIT_USERNAME="robot")
    connection = json.loads(applied(kubectl)["my-etl-git-token"]["connection"])
    assert connection == {"conn_type": "git", "host": HTTPS["git_repo"], "login": "robot", "password": TOKEN}


def test_the_token_is_asked_for_without_echo(bake_fresh, kubectl):
    project = bake_fresh(**HTTPS)
    terminal, other_end = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "tools.cluster.apply_secrets"],
        cwd=project,
        env=clean_environment() | kubectl.environment,
        stdin=other_end,
        stdout=other_end,
        stderr=other_end,
        start_new_session=True,
        preexec_fn=lambda: __import__("fcntl").ioctl(0, __import__("termios").TIOCSCTTY, 0),
    )
    os.close(other_end)
    screen = b""
    while b"(not shown)" not in screen:
        screen += os.read(terminal, 1000)
    os.write(terminal, f"{TOKEN}\n".encode())
    try:
        while more := os.read(terminal, 1000):
            screen += more
    except OSError:  # Linux says EIO when the other end is closed
        pass
    assert process.wait() == 0, screen
    assert TOKEN.encode() not in screen
    assert applied(kubectl)["my-etl-git-token"]["GITSYNC_PASSWORD"] == TOKEN.encode()


def test_the_token_in_the_cluster_stays_unless_there_is_a_new_one(bake_fresh, kubectl):
    kubectl.answer("get secret my-etl-git-token", "secret/my-etl-git-token\n")
    output = make(bake_fresh(**HTTPS), "secrets", kubectl=kubectl)
    assert "The cluster keeps its git token" in output
    assert "my-etl-git-token" not in applied(kubectl)


@pytest.mark.parametrize(
    ("token", "words"), [("", "GIT_TOKEN=… make secrets"), ("two words", "holds a space or line end")]
)
def test_without_a_usable_token_nothing_is_applied(bake_fresh, kubectl, token, words):
    output = make(bake_fresh(**HTTPS), "secrets", kubectl=kubectl, expect=1, GIT_TOKEN=token)
    assert words in output
    assert not kubectl.given_to("apply")


# --- What the real kubectl says without a cluster


def kubeconfig(folder, server, context="here"):
    path = folder / "kubeconfig"
    clusters = [{"name": "here", "cluster": {"server": server}}]
    contexts = [{"name": "here", "context": {"cluster": "here", "user": "here"}}]
    users = [{"name": "here", "user": {"token": "none"}}]
    content = {"apiVersion": "v1", "kind": "Config", "clusters": clusters, "contexts": contexts, "users": users}
    path.write_text(yaml.safe_dump(content | {"current-context": context}))
    return str(path)


@pytest.mark.parametrize(
    ("server", "context", "words"),
    [
        (None, None, "points at no cluster"),
        ("https://127.0.0.1:1", "here", "the cluster does not answer"),
        ("https://127.0.0.1:1", "there", "context does not exist"),
    ],
)
def test_what_is_wrong_with_the_cluster_is_said_in_one_line(bake_fresh, tmp_path, server, context, words):
    config = kubeconfig(tmp_path, server, context) if server else "/nonexistent"
    kubectl = str(helm_chart.tools() / "kubectl")
    output = make(bake_fresh(), "secrets", expect=1, KUBECTL=kubectl, KUBECONFIG=config, HOME=str(tmp_path))
    said = [line for line in output.splitlines() if line.startswith("make secrets: ")]
    assert len(said) == 1
    assert words in said[0]
    assert "Traceback" not in output


def test_a_missing_kubectl_is_said_in_one_line(bake_fresh):
    output = make(bake_fresh(), "secrets", expect=1, KUBECTL="/nonexistent/kubectl")
    assert "make secrets: /nonexistent/kubectl is not on PATH" in output


# --- Rotation


@pytest.mark.parametrize("name", ["api_secret_key", "jwt_secret", "redis_password"])
def test_a_rotated_secret_is_new_here_and_there_and_the_pods_restart(bake_fresh, kubectl, name):
    project = bake_fresh()
    before = {path.name: path.read_bytes() for path in (project / "secrets").iterdir()}
    output = make(project, "rotate", f"NAME={name}", kubectl=kubectl)
    after = {path.name: path.read_bytes() for path in (project / "secrets").iterdir()}

    assert {file for file in after if after[file] != before.get(file)} == {name, "kubernetes.yaml"}
    assert set(after) == set(before)
    assert stat.S_IMODE((project / "secrets" / name).stat().st_mode) == 0o600
    assert any(after[name] in data.values() for data in applied(kubectl).values())
    restarts = [call for call in kubectl.calls() if call.startswith("rollout")]
    assert restarts == [
        "rollout restart deployment.apps/airflow-scheduler",
        "rollout restart statefulset.apps/airflow-worker",
        "rollout status deployment.apps/airflow-scheduler --timeout=10m",
        "rollout status statefulset.apps/airflow-worker --timeout=10m",
    ]
    assert after[name].decode() not in output


def test_a_fernet_key_takes_over_only_when_everything_is_encrypted_anew(bake_fresh, kubectl):
    project = bake_fresh()
    old = secret(project, "fernet_key")
    kubectl.answer("exec", "")
    make(project, "rotate", "NAME=fernet_key", kubectl=kubectl)
    new = secret(project, "fernet_key")
    assert Fernet(new)
    assert new != old
    applies = [yaml.safe_load_all(text) for text in kubectl.given_to("apply")]
    keys = [
        base64.b64decode(item["data"]["fernet-key"]).decode()
        for documents in applies
        for item in documents
        if item["metadata"]["name"] == "my-etl-fernet"
    ]
    assert keys == [f"{new},{old}", new]
    calls = kubectl.calls()
    encrypting = next(number for number, call in enumerate(calls) if "airflow rotate-fernet-key" in call)
    applying = [number for number, call in enumerate(calls) if call.startswith("apply")]
    assert applying[0] < encrypting < applying[1]


def test_a_fernet_rotation_that_stopped_goes_on_with_the_same_key(bake_fresh, kubectl):
    project = bake_fresh()
    old = secret(project, "fernet_key")
    kubectl.answer("exec", "error: the pod is gone\n", 1)
    output = make(project, "rotate", "NAME=fernet_key", kubectl=kubectl, expect=1)
    assert "the pod is gone" in output
    assert "make rotate NAME=fernet_key goes on where this stopped" in output
    assert secret(project, "fernet_key.old") == old
    both = secret(project, "fernet_key")
    assert both.endswith(f",{old}")  # whatever is deployed now reads old and new

    kubectl.answer("exec", "")
    make(project, "rotate", "NAME=fernet_key", kubectl=kubectl)
    assert f"{secret(project, 'fernet_key')},{old}" == both
    assert not (project / "secrets/fernet_key.old").exists()


@pytest.fixture
def database():
    """A real PostgreSQL that lets in with a password only, as the chart's does."""
    with PostgresServer("first") as server:
        yield server


def use(database, project):
    """Give the database the project's password, and say where the commands for its pod find it."""
    database.alter(secret(project, "postgres_password"))
    return {"PGPORT": str(database.port), "PATH": f"{database.programs}:{os.environ['PATH']}"}


@pytest.mark.servers
def test_the_databases_password_is_changed_in_the_database_first(bake_fresh, kubectl, database):
    project = bake_fresh()
    old = secret(project, "postgres_password")
    where = use(database, project)
    output = make(project, "rotate", "NAME=postgres_password", kubectl=kubectl, **where)
    new = secret(project, "postgres_password")
    assert database.lets_in(new)
    assert not database.lets_in(old)
    calls = kubectl.calls()
    assert calls[0].startswith("exec --stdin statefulset/airflow-postgresql -- sh -ec")
    assert calls[1].startswith("apply")
    assert applied(kubectl)["my-etl-postgres"]["postgres-password"].decode() == new
    assert f":{new}@".encode() in applied(kubectl)["my-etl-metadata"]["connection"]
    assert not any(new in call or old in call for call in calls)
    assert new not in output
    assert not [*(project / "secrets").glob("*.old"), *(project / "secrets").glob("*.new")]


def test_a_database_out_of_reach_leaves_the_password_as_it_is(bake_fresh, kubectl):
    project = bake_fresh()
    before = secret(project, "postgres_password")
    kubectl.answer("exec", 'Error from server (NotFound): statefulsets.apps "airflow-postgresql" not found\n', 1)
    output = make(project, "rotate", "NAME=postgres_password", kubectl=kubectl, expect=1)
    assert "not found" in output
    assert secret(project, "postgres_password") == before
    assert not kubectl.given_to("apply")


@pytest.mark.servers
def test_a_password_rotation_that_stopped_goes_on_with_the_same_password(bake_fresh, kubectl, database):
    project = bake_fresh()
    where = use(database, project)
    kubectl.answer("apply", "error: connection refused\n", 1)
    make(project, "rotate", "NAME=postgres_password", kubectl=kubectl, expect=1, **where)
    new = secret(project, "postgres_password")
    assert database.lets_in(new)

    kubectl.answer("apply", "")
    make(project, "rotate", "NAME=postgres_password", kubectl=kubectl, **where)
    assert secret(project, "postgres_password") == new
    assert database.lets_in(new)
    assert not (project / "secrets/postgres_password.old").exists()


@pytest.mark.servers
def test_a_password_that_the_database_has_already_is_no_obstacle(bake_fresh, kubectl, database):
    """Killed between the change in the database and the change here: only the .new file knows the password."""
    project = bake_fresh()
    where = use(database, project)
    old = secret(project, "postgres_password")
    new = "0123456789abcdef" * 2
    database.alter(new)
    (project / "secrets/postgres_password.new").write_text(new)
    make(project, "rotate", "NAME=postgres_password", kubectl=kubectl, **where)
    assert secret(project, "postgres_password") == new != old
    assert database.lets_in(new)


def test_the_admins_new_password_is_set_in_airflow(bake_fresh, kubectl, tmp_path):
    project = bake_fresh()
    airflow = tmp_path / "bin/airflow"
    airflow.parent.mkdir()
    airflow.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/called\n')
    airflow.chmod(0o755)
    path = f"{airflow.parent}:{os.environ['PATH']}"
    make(project, "rotate", "NAME=admin_password", kubectl=kubectl, PATH=path)
    new = secret(project, "admin_password")
    called = (tmp_path / "called").read_text().strip()
    assert called == f"users reset-password --username admin --password {new}"
    assert not any(new in call for call in kubectl.calls())


@pytest.mark.parametrize("name", ["", "NAME=passwords", "NAME=kubernetes.yaml"])
def test_an_unknown_name_lists_those_there_are(bake, kubectl, name):
    output = make(bake(executor="LocalExecutor"), "rotate", *([name] if name else []), kubectl=kubectl, expect=1)
    assert "fernet_key, api_secret_key, jwt_secret, postgres_password, admin_password, deploy_key" in output


@pytest.mark.servers
@pytest.mark.parametrize("kind", ["ed25519", "rsa-4096"])
def test_a_deploy_key_takes_over_once_it_opens_the_repository(bake_fresh, kubectl, tmp_path, kind):
    with GitSshServer(tmp_path) as server:
        project = bake_fresh(git_repo=server.url, __deploy_key_type=kind)
        subprocess.run([sys.executable, "-m", "tools.secrets.known_hosts"], cwd=project, input=b"y\n", check=True)
        private, public = project / "secrets/deploy_key", project / "secrets/deploy_key.pub"
        old, old_public = private.read_bytes(), public.read_text()
        server.register(old_public)

        first = make(project, "rotate-deploy-key", kubectl=kubectl, expect=1)
        new_public = Path(f"{private}.new.pub").read_text()
        assert new_public.strip() in first
        assert "Deploy keys" in first
        assert (private.read_bytes(), public.read_text()) == (old, old_public)
        assert not kubectl.calls()

        server.register(old_public, new_public)
        second = make(project, "rotate-deploy-key", kubectl=kubectl)
        assert public.read_text() == new_public
        assert applied(kubectl)["my-etl-git-ssh"]["gitSshKey"] == private.read_bytes() != old
        assert any(call.startswith("rollout restart") for call in kubectl.calls())
        assert "Now remove the old key" in second
        assert old_public.strip() in second
        assert not list((project / "secrets").glob("*.new*"))


def test_a_deploy_key_rotation_cut_between_its_two_moves_is_finished(bake_fresh, kubectl):
    """The private key is in its place, its public half not yet."""
    project = bake_fresh()
    private, public = project / "secrets/deploy_key", project / "secrets/deploy_key.pub"
    whole = public.read_text()
    public.rename(f"{private}.new.pub")
    public.write_text("ssh-ed25519 AAAA the one before\n")
    make(project, "rotate-deploy-key", kubectl=kubectl)
    assert public.read_text() == whole
    assert applied(kubectl)["my-etl-git-ssh"]["gitSshKey"] == private.read_bytes()


@pytest.mark.servers
def test_a_new_deploy_key_that_does_not_reach_the_cluster_is_not_lost(bake_fresh, kubectl, tmp_path):
    with GitSshServer(tmp_path) as server:
        project = bake_fresh(git_repo=server.url)
        subprocess.run([sys.executable, "-m", "tools.secrets.known_hosts"], cwd=project, input=b"y\n", check=True)
        make(project, "rotate-deploy-key", kubectl=kubectl, expect=1)
        new_public = (project / "secrets/deploy_key.new.pub").read_text()
        server.register(new_public)
        kubectl.answer("apply", "The connection to the server 10.0.0.1:6443 was refused\n", 1)
        output = make(project, "rotate-deploy-key", kubectl=kubectl, expect=1)
        assert "keep both registered" in output
        assert (project / "secrets/deploy_key.pub").read_text() == new_public
        kubectl.answer("apply", "")
        make(project, "secrets", kubectl=kubectl)
        assert applied(kubectl)["my-etl-git-ssh"]["gitSshKey"] == (project / "secrets/deploy_key").read_bytes()
