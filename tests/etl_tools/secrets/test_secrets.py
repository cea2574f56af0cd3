"""make secrets and make rotate: what reaches the cluster, and that no secret stands anywhere on the way.

The cluster is a stand-in (cluster/fake_cluster.py); real are the git server, and kubectl where it needs no cluster.
"""

import base64
import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from cryptography.fernet import Fernet

from tests.conftest import clean_environment, make_command, run, secret_manifests
from tests.etl_tools.cluster import helm_chart
from tests.etl_tools.cluster.cluster import ANSWERS, Cluster
from tests.etl_tools.in_process import etl, evaluate
from tests.etl_tools.terminal import Session
from tests.servers import github_app
from tests.servers.git_https_server import GitHttpsServer
from tests.servers.git_ssh_server import GitSshServer
from tests.servers.postgres_server import PostgresServer

HTTPS = {"git_access": "https-token", "git_repo": "https://github.com/acme/my-etl.git"}
TOKEN = "ghp_" + "x" * 36


@pytest.fixture
def deployed(bake_fresh, tmp_path):
    """Return a function: answers → a project, and a cluster that has its Secrets."""

    def deploy(**answers):
        cluster = Cluster(bake_fresh(**ANSWERS | answers), tmp_path, helm_chart.tools() / "helm")
        cluster.make("secrets", **({"GIT_TOKEN": TOKEN} if answers.get("git_access") == "https-token" else {}))
        cluster.forget_calls()
        return cluster

    return deploy


@pytest.fixture
def new(bake_fresh, tmp_path):
    """Return a function: answers → a project, and an empty cluster."""
    return lambda **answers: Cluster(bake_fresh(**ANSWERS | answers), tmp_path, helm_chart.tools() / "helm")


def applied(cluster):
    """Return what each `kubectl apply` was given, in order: Secret → key → content."""
    return [
        {
            item["metadata"]["name"]: {key: base64.b64decode(value) for key, value in item["data"].items()}
            for item in yaml.safe_load_all(call[-1])
        }
        for call in cluster.calls("kubectl")
        if call[0] == "apply"
    ]


def said(cluster):
    """Return the words of each call of kubectl that is more than a look, joined."""
    return [" ".join(call[:-1]) for call in cluster.calls("kubectl") if call[0] not in ("config", "get")]


def secret(project, name):
    return (project / "secrets" / name).read_text()


# --- The manifests


def test_the_real_kubectl_encodes_the_same_files_the_same(bake):
    project = bake(**ANSWERS)
    files = {
        "quakes-git-ssh": {"gitSshKey": "secrets/deploy_key", "known_hosts": "helm/known_hosts"},
        "quakes-fernet": {"fernet-key": "secrets/fernet_key"},
        "quakes-api-secret": {"api-secret-key": "secrets/api_secret_key"},
        "quakes-jwt": {"jwt-secret": "secrets/jwt_secret"},
        "quakes-postgres": {"postgres-password": "secrets/postgres_password"},
        "quakes-redis": {"password": "secrets/redis_password"},
        "quakes-admin": {"password": "secrets/admin_password"},
    }
    ours = {item["metadata"]["name"]: item["data"] for item in secret_manifests(project)}
    for name, keys in files.items():
        sources = [f"--from-file={key}={path}" for key, path in keys.items()]
        command = ["create", "secret", "generic", name, *sources, "--dry-run=client", "--output=json"]
        made = subprocess.run([helm_chart.tools() / "kubectl", *command], cwd=project, capture_output=True, check=True)
        assert ours[name] == json.loads(made.stdout)["data"]


def test_every_kubernetes_takes_the_manifests(bake):
    items = secret_manifests(bake(**ANSWERS))
    versions = helm_chart.kubernetes_versions("1.30")
    assert len(items) == 9
    assert len(versions) > 3
    assert not [
        error for item in items for version in versions for error in helm_chart.kubernetes_errors(item, version)
    ]


# --- make secrets


def test_secrets_go_to_the_cluster_byte_for_byte(new):
    cluster = new()
    output = cluster.make("secrets")
    assert said(cluster) == ["create namespace etl", "apply --server-side --force-conflicts --filename=-"]
    (given,) = [call[-1] for call in cluster.calls("kubectl") if call[0] == "apply"]
    assert list(yaml.safe_load_all(given)) == secret_manifests(cluster.project)
    assert cluster.secrets()["quakes-git-ssh"]["gitSshKey"] == (cluster.project / "secrets/deploy_key").read_bytes()
    assert secret(cluster.project, "admin_password") not in output


def test_the_same_content_is_not_written_again(deployed):
    cluster = deployed()
    assert "nothing was written" in cluster.make("secrets")
    assert cluster.writes() == []


def test_what_is_missing_is_made_and_the_rest_is_left_alone(deployed):
    cluster = deployed()
    objects = json.loads((cluster.state / "objects.json").read_text())
    del objects["etl/secret/quakes-jwt"]
    cluster["objects.json"] = objects
    cluster.make("secrets")
    assert [set(given) for given in applied(cluster)] == [{"quakes-jwt"}]


def test_who_may_not_make_namespaces_still_gets_the_secrets_there(new):
    cluster = new()
    cluster["namespace"] = "namespace/etl\n"
    cluster["create-namespace-fails"] = (
        'Error from server (Forbidden): namespaces is forbidden: User "dev" cannot create resource "namespaces" in '
        'API group "" at the cluster scope'
    )
    cluster.make("secrets")
    assert "quakes-fernet" in cluster.secrets()


def test_keys_are_never_made_on_the_way(new):
    cluster = new()
    (cluster.project / "secrets/jwt_secret").unlink()
    output = cluster.make("secrets", expect=2)
    assert "secrets/ lacks jwt_secret" in output
    assert "make keys-from-cluster" in output
    assert not (cluster.project / "secrets/jwt_secret").exists()
    assert cluster.writes() == []


def test_the_server_s_public_keys_may_change(deployed):
    """make known-hosts, then make deploy: nothing that anybody could lose."""
    cluster = deployed()
    (cluster.project / "helm/known_hosts").write_text("github.com ssh-ed25519 AAAA\n")
    cluster.make("secrets")
    assert cluster.secrets()["quakes-git-ssh"]["known_hosts"] == b"github.com ssh-ed25519 AAAA\n"


def test_the_token_goes_into_the_secret_and_nowhere_else(new):
    cluster = new(**HTTPS)
    output = cluster.make("secrets", GIT_TOKEN=TOKEN)
    assert cluster.secrets()["quakes-git-token"] == {
        "GITSYNC_USERNAME": b"x-access-token",
        "GITSYNC_PASSWORD": TOKEN.encode(),
        "GIT_SYNC_USERNAME": b"x-access-token",
        "GIT_SYNC_PASSWORD": TOKEN.encode(),
    }
    assert TOKEN not in output
    assert not any(TOKEN in word for call in cluster.calls("kubectl") for word in call[:-1])  # seen by everybody
    for path in cluster.project.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert TOKEN.encode() not in content, path
            assert base64.b64encode(TOKEN.encode()) not in content, path


def test_a_bundle_gets_the_token_as_a_connection(new):
    cluster = new(dag_delivery="git-dag-bundle", **HTTPS)
    cluster.make("secrets", GIT_TOKEN=TOKEN, GIT_USERNAME="robot")
    connection = json.loads(cluster.secrets()["quakes-git-token"]["connection"])
    assert connection == {"conn_type": "git", "host": HTTPS["git_repo"], "login": "robot", "password": TOKEN}


@pytest.mark.parametrize("delivery", ["git-sync", "git-dag-bundle"])
def test_the_app_goes_to_the_cluster_and_comes_back(new, bake_fresh, delivery):
    cluster = new(git_access="github-app", git_repo=HTTPS["git_repo"], dag_delivery=delivery)
    assert "lacks github_app.pem, github_app_id, github_installation_id" in cluster.make("secrets", expect=2)
    pem = github_app.new_key()[0]
    github_app.put_files(cluster.project, pem)
    cluster.make("secrets")
    made = cluster.secrets()["quakes-github-app"]
    if delivery == "git-dag-bundle":
        connection = json.loads(made.pop("connection"))
        assert connection["host"] == HTTPS["git_repo"]
        assert connection["extra"] == {
            "github_app_id": "123456",
            "github_installation_id": "78901234",
            "private_key": pem.decode(),
            "strict_host_key_checking": "yes",
        }
    assert made == {"private-key": pem, "app-id": b"123456", "installation-id": b"78901234"}
    assert "nothing was written" in cluster.make("secrets")

    # Another key is refused; what the cluster has comes back.
    github_app.put_files(cluster.project, github_app.new_key()[0])
    assert re.search(r"quakes-github-app +private-key +another content", cluster.make("secrets", expect=2))
    assert "holds other content in github_app.pem." in cluster.make("keys-from-cluster", expect=2)
    for name in github_app.FILES:
        (cluster.project / "secrets" / name).unlink()
    cluster.make("keys-from-cluster")
    assert [(cluster.project / "secrets" / name).read_bytes() for name in github_app.FILES] == [
        pem,
        b"123456",
        b"78901234",
    ]
    assert "github_app" not in cluster.make("rotate", expect=2)
    cluster.make("secrets", "SECRETS=external")


def test_the_token_is_asked_for_without_echo(new):
    cluster = new(**HTTPS)
    command = [sys.executable, "-m", "etl_tools.cli", "secrets"]
    terminal = Session(command, cluster.project, terminal=True, **cluster.environment)
    terminal.until("(not shown)").types(f"{TOKEN}\n")
    assert terminal.ended() == 0, terminal.said
    assert TOKEN not in terminal.said
    assert cluster.secrets()["quakes-git-token"]["GITSYNC_PASSWORD"] == TOKEN.encode()


def test_the_token_in_the_cluster_stays_unless_there_is_a_new_one(deployed):
    cluster = deployed(**HTTPS)
    assert "The cluster keeps its git token" in cluster.make("secrets")
    other = TOKEN.replace("x", "y")
    output = cluster.make("secrets", expect=2, GIT_TOKEN=other)
    assert "quakes-git-token  GITSYNC_PASSWORD" in output
    assert cluster.writes() == []
    # One Secret by its name: the others would still be refused.
    cluster.make("secrets", GIT_TOKEN=other, OVERWRITE="quakes-git-token")
    assert cluster.secrets()["quakes-git-token"]["GITSYNC_PASSWORD"] == other.encode()
    assert [set(given) for given in applied(cluster)] == [{"quakes-git-token"}]


@pytest.mark.parametrize(
    ("token", "words"),
    [("", "there is no git token. Put GIT_TOKEN=… before the command"), ("two words", "holds a space or line end")],
)
def test_without_a_usable_token_nothing_is_applied(new, token, words):
    cluster = new(**HTTPS)
    assert words in cluster.make("secrets", expect=2, GIT_TOKEN=token)
    assert cluster.writes() == []


# --- secrets/connections.env

CONNECTIONS = (
    "# mail\n"
    'AIRFLOW_CONN_SMTP_DEFAULT={"conn_type": "smtp", "host": "mail.example.com", "password": "a=b"}\n'
    "\nAIRFLOW_VAR_REGION=eu\nAWS_ACCESS_KEY_ID=\n"
)


def test_connections_become_one_secret_whatever_the_storage(new):
    cluster = new()
    (cluster.project / "secrets/connections.env").write_text(CONNECTIONS)
    output = cluster.make("secrets")
    assert cluster.secrets()["quakes-connections"] == {
        "AIRFLOW_CONN_SMTP_DEFAULT": b'{"conn_type": "smtp", "host": "mail.example.com", "password": "a=b"}',
        "AIRFLOW_VAR_REGION": b"eu",
        "AWS_ACCESS_KEY_ID": b"",
    }
    assert "mail.example.com" not in output
    values = yaml.safe_load((cluster.project / "helm/values.yaml").read_text())
    (source,) = yaml.safe_load(values["extraEnvFrom"])
    assert source == {"secretRef": {"name": "quakes-connections", "optional": True}}


def test_a_connection_that_somebody_else_added_is_not_lost(deployed, bake_fresh):
    cluster = deployed()
    file = cluster.project / "secrets/connections.env"
    cluster.put_secret("quakes-connections", {"AIRFLOW_VAR_REGION": b"eu", "AIRFLOW_VAR_TEAM": b"data"})
    cluster.make("secrets")  # no such file here: the cluster's stay
    file.write_text("AIRFLOW_VAR_REGION=eu\n")
    output = cluster.make("secrets", expect=2)
    assert re.search("quakes-connections  AIRFLOW_VAR_TEAM +not in connections.env", output)
    assert cluster.writes() == []
    cluster.make("keys-from-cluster", OVERWRITE="yes")
    assert file.read_text() == "AIRFLOW_VAR_REGION=eu\nAIRFLOW_VAR_TEAM=data\n"
    cluster.make("secrets")
    assert cluster.writes() == []


def test_a_connection_is_changed_and_removed_by_name(deployed):
    cluster = deployed()
    file = cluster.project / "secrets/connections.env"
    file.write_text("AIRFLOW_VAR_REGION=eu\nAIRFLOW_VAR_TEAM=data\n")
    cluster.make("secrets")
    file.write_text("AIRFLOW_VAR_REGION=us\n")
    assert "another content" in cluster.make("secrets", expect=2)
    cluster.make("secrets", OVERWRITE="quakes-connections")
    assert cluster.secrets()["quakes-connections"] == {"AIRFLOW_VAR_REGION": b"us"}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("export A=1", "secrets/connections.env:1 is not of the form NAME=value"),
        ("A-B=1", "secrets/connections.env:1 is not of the form NAME=value"),
        ("A=1\nA=2", "secrets/connections.env:2: A is there twice"),
        ('A="1"', "secrets/connections.env:1: write the value of A without quotes"),
    ],
)
def test_a_wrong_line_is_named(new, line, words):
    cluster = new()
    (cluster.project / "secrets/connections.env").write_text(f"{line}\n")
    assert words in cluster.make("secrets", expect=2)


@pytest.mark.parametrize(("ending", "mode"), [("", "require"), ("?sslmode=prefer", "prefer")])
def test_a_database_of_one_s_own_is_reached_encrypted_unless_its_address_says_otherwise(bake_fresh, ending, mode):
    project = bake_fresh(**ANSWERS)
    (project / "secrets/database_url").write_text(f"postgresql://me:word@db.example.com:5432/airflow{ending}\n")
    made = {item["metadata"]["name"]: item["data"] for item in secret_manifests(project)}
    settings = base64.b64decode(made["quakes-pgbouncer"]["pgbouncer.ini"]).decode()
    assert f"server_tls_sslmode = {mode}\n" in settings


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
    where = {"KUBECTL": kubectl, "KUBECONFIG": config, "HOME": str(tmp_path)}
    output = run([*make_command(), "secrets"], cwd=bake_fresh(), expect=2, **where)
    said = [line for line in output.splitlines() if line.startswith("make secrets: ")]
    assert len(said) == 1
    assert words in said[0]
    assert "Traceback" not in output


def test_a_missing_kubectl_is_said_in_one_line(bake_fresh):
    output = run([*make_command(), "secrets"], cwd=bake_fresh(), expect=2, KUBECTL="/nonexistent/kubectl")
    assert "make secrets: /nonexistent/kubectl is not on PATH" in output


# --- Rotation


@pytest.mark.parametrize("name", ["api_secret_key", "jwt_secret", "redis_password"])
def test_a_rotated_secret_is_new_here_and_there_and_the_pods_restart(deployed, name):
    cluster = deployed()
    folder = cluster.project / "secrets"
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    output = cluster.make("rotate", f"NAME={name}")
    after = {path.name: path.read_bytes() for path in folder.iterdir()}

    assert {file for file in after if after[file] != before.get(file)} == {name}
    assert set(after) == set(before)
    assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600
    assert any(after[name] in data.values() for data in cluster.secrets().values())
    # The rotated one, and what holds it; nothing else is written.
    derived = {"redis_password": {"quakes-redis", "quakes-broker"}, "jwt_secret": {"quakes-jwt"}}
    assert [set(given) for given in applied(cluster)] == [derived.get(name, {"quakes-api-secret"})]
    assert [call for call in said(cluster) if call.startswith("rollout")] == [
        "rollout restart deployment,statefulset --selector=release=airflow",
        "rollout status deployment,statefulset --selector=release=airflow --timeout=10m",
    ]
    assert after[name].decode() not in output


def test_no_key_is_rotated_that_the_cluster_does_not_have(deployed):
    """Somebody else rotated it, or this checkout never was the one that deployed."""
    cluster = deployed()
    cluster.put_secret("quakes-jwt", {"jwt-secret": b"somebody's"})
    before = secret(cluster.project, "jwt_secret")
    for name in ("jwt_secret", "fernet_key", "postgres_password", "admin_password"):
        output = cluster.make("rotate", f"NAME={name}", expect=2)
        assert re.search("quakes-jwt  jwt-secret +another content", output)
        assert "make keys-from-cluster" in output
    assert cluster.writes() == []
    assert secret(cluster.project, "jwt_secret") == before
    assert not list((cluster.project / "secrets").glob("*.old"))


def test_where_nothing_is_deployed_there_is_nothing_to_rotate(new):
    cluster = new()
    assert "none of this project's Secrets: make deploy" in cluster.make("rotate", "NAME=jwt_secret", expect=2)
    (cluster.project / "secrets/jwt_secret").unlink()
    assert "make keys-from-cluster" in cluster.make("rotate", "NAME=jwt_secret", expect=2)
    assert cluster.writes() == []


def test_a_fernet_key_takes_over_only_when_everything_is_encrypted_anew(deployed, airflow):
    cluster = deployed()
    old = secret(cluster.project, "fernet_key")
    cluster.make("rotate", "NAME=fernet_key", PATH=airflow)
    new = secret(cluster.project, "fernet_key")
    assert Fernet(new)
    assert new != old
    keys = [given["quakes-fernet"]["fernet-key"].decode() for given in applied(cluster)]
    assert keys == [f"{new},{old}", new]
    calls = said(cluster)
    encrypting = next(number for number, call in enumerate(calls) if "airflow rotate-fernet-key" in call)
    applying = [number for number, call in enumerate(calls) if call.startswith("apply")]
    assert applying[0] < encrypting < applying[1]


def test_a_fernet_rotation_that_stopped_goes_on_with_the_same_key(deployed, airflow):
    cluster = deployed()
    old = secret(cluster.project, "fernet_key")
    cluster["exec-fails"] = "error: the pod is gone"
    output = cluster.make("rotate", "NAME=fernet_key", expect=2)
    assert "the pod is gone" in output
    assert "make rotate NAME=fernet_key goes on where this stopped" in output
    assert secret(cluster.project, "fernet_key.old") == old
    both = secret(cluster.project, "fernet_key")
    assert both.endswith(f",{old}")  # whatever is deployed now reads old and new

    cluster["exec-fails"] = ""
    cluster.make("rotate", "NAME=fernet_key", PATH=airflow)
    assert f"{secret(cluster.project, 'fernet_key')},{old}" == both
    assert not (cluster.project / "secrets/fernet_key.old").exists()


@pytest.fixture
def program(tmp_path):
    """Return a function: name, text → PATH with a program of that name before all others."""

    def write(name, text):
        path = tmp_path / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)
        return f"{path.parent}:{os.environ['PATH']}"

    return write


@pytest.fixture
def airflow(program):
    """PATH with an Airflow that encrypts anew, and a Python that reads all."""
    program("python", "#!/bin/sh\ncat > /dev/null\n")
    return program("airflow", "#!/bin/sh\n")


@pytest.mark.parametrize("how", ["exec-does-nothing", "exec-cuts"])
def test_a_fernet_key_is_not_forgotten_after_an_exec_that_proves_nothing(deployed, airflow, how):
    """kubernetes#124571: kubectl exec ends with 0, and nothing was done, or nothing was heard of it."""
    cluster = deployed()
    old = secret(cluster.project, "fernet_key")
    cluster[how] = "0"
    output = cluster.make("rotate", "NAME=fernet_key", expect=2, PATH=airflow)
    assert "ended early" in output
    assert "The old one is in secrets/fernet_key.old." in output
    assert "is new" not in output
    assert secret(cluster.project, "fernet_key.old") == old
    both = secret(cluster.project, "fernet_key")
    assert both.endswith(f",{old}")
    assert cluster.secrets()["quakes-fernet"]["fernet-key"].decode() == both
    (cluster.state / how).unlink()
    cluster.make("rotate", "NAME=fernet_key", PATH=airflow)
    assert f"{secret(cluster.project, 'fernet_key')},{old}" == both


def test_a_fernet_key_that_does_not_read_all_takes_over_nothing(deployed, program, airflow):
    cluster = deployed()
    old = secret(cluster.project, "fernet_key")
    path = program("python", "#!/bin/sh\necho 'the new key does not read all of table variable' >&2\nexit 1\n")
    output = cluster.make("rotate", "NAME=fernet_key", expect=2, PATH=path)
    assert "does not read all of table variable" in output
    assert cluster.secrets()["quakes-fernet"]["fernet-key"].decode().endswith(f",{old}")


@pytest.mark.airflow
def test_the_real_airflow_is_read_with_the_new_key_alone(installed, tmp_path):
    """The script for the pod, run on a real Airflow: what it has not encrypted anew is noticed."""
    project = installed(**ANSWERS)
    old, new = (Fernet.generate_key().decode() for _ in range(2))
    where = {"AIRFLOW_HOME": str(tmp_path), "PATH": f"{project}/.venv/bin:/usr/bin:/bin"}
    where["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
    one = where | {"AIRFLOW__CORE__FERNET_KEY": old}
    run(["airflow", "db", "migrate"], project, **one)
    run(["airflow", "connections", "add", "shop", "--conn-uri", "https://me:word@example.com/?token=x"], project, **one)
    run(["airflow", "variables", "set", "region", "eu"], project, **one)

    def in_the_pod(name):
        script = evaluate(project, "cluster.rotate", lambda rotate: getattr(rotate, name))
        command = ["sh", "-ec", script] if name == "ENCRYPT" else ["python", "-c", script]
        environment = clean_environment() | where | {"AIRFLOW__CORE__FERNET_KEY": f"{new},{old}"}
        return subprocess.run(
            command, cwd=project, env=environment, input=f"{new}\n", text=True, capture_output=True, check=False
        )

    before = in_the_pod("READ_ALL")
    assert before.returncode == 1
    assert "the new key does not read all of table" in before.stderr
    done = in_the_pod("ENCRYPT")
    assert done.returncode == 0, done.stderr
    assert in_the_pod("READ_ALL").returncode == 0
    assert "eu" in run(["airflow", "variables", "get", "region"], project, **where, AIRFLOW__CORE__FERNET_KEY=new)


@pytest.mark.parametrize("name", ["jwt_secret", "admin_password"])
def test_what_did_not_reach_the_cluster_is_not_called_new(deployed, name):
    """kubectl apply says that all is well, and the cluster has what it had."""
    cluster = deployed()
    old = secret(cluster.project, name)
    cluster["apply-does-nothing"] = "yes"
    output = cluster.make("rotate", f"NAME={name}", expect=2)
    assert "the cluster lacks it: quakes-" in output
    assert secret(cluster.project, f"{name}.old") == old
    assert f"make rotate NAME={name} goes on where this stopped" in output


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
def test_the_databases_password_is_changed_in_the_database_first(deployed, database):
    cluster = deployed()
    old = secret(cluster.project, "postgres_password")
    where = use(database, cluster.project)
    output = cluster.make("rotate", "NAME=postgres_password", **where)
    new = secret(cluster.project, "postgres_password")
    assert database.lets_in(new)
    assert not database.lets_in(old)
    calls = said(cluster)
    assert calls[0].startswith("exec --stdin statefulset/airflow-postgresql --container=postgresql -- sh -ec")
    assert any(call.startswith("apply") for call in calls[1:])
    assert cluster.secrets()["quakes-postgres"]["postgres-password"].decode() == new
    assert f":{new}@".encode() in cluster.secrets()["quakes-metadata"]["connection"]
    assert not any(new in call or old in call for call in calls)
    assert new not in output
    folder = cluster.project / "secrets"
    assert not [*folder.glob("*.old"), *folder.glob("*.new")]


@pytest.mark.servers
@pytest.mark.parametrize("how", ["exec-does-nothing", "exec-cuts"])
def test_no_password_is_forgotten_after_an_exec_that_proves_nothing(deployed, database, how):
    """Whichever of the two the database has now, a file has it, and the next run finds out."""
    cluster = deployed()
    where = use(database, cluster.project)
    old = secret(cluster.project, "postgres_password")
    cluster[how] = "0"
    output = cluster.make("rotate", "NAME=postgres_password", expect=2, **where)
    assert "ended early" in output
    new = secret(cluster.project, "postgres_password.new")
    assert database.lets_in(new if how == "exec-cuts" else old)
    assert secret(cluster.project, "postgres_password") == old
    assert applied(cluster) == []
    (cluster.state / how).unlink()
    cluster.make("rotate", "NAME=postgres_password", **where)
    assert database.lets_in(new)
    assert secret(cluster.project, "postgres_password") == new
    assert cluster.secrets()["quakes-postgres"]["postgres-password"].decode() == new


def test_a_database_out_of_reach_leaves_the_password_as_it_is(deployed):
    cluster = deployed()
    before = secret(cluster.project, "postgres_password")
    cluster["exec-fails"] = 'Error from server (NotFound): statefulsets.apps "airflow-postgresql" not found'
    assert "not found" in cluster.make("rotate", "NAME=postgres_password", expect=2)
    assert secret(cluster.project, "postgres_password") == before
    assert applied(cluster) == []


@pytest.mark.servers
def test_a_password_rotation_that_stopped_goes_on_with_the_same_password(deployed, database):
    cluster = deployed()
    where = use(database, cluster.project)
    cluster["apply-fails"] = "error: connection refused"
    cluster.make("rotate", "NAME=postgres_password", expect=2, **where)
    new = secret(cluster.project, "postgres_password")
    assert database.lets_in(new)

    cluster["apply-fails"] = ""
    cluster.make("rotate", "NAME=postgres_password", **where)
    assert secret(cluster.project, "postgres_password") == new
    assert cluster.secrets()["quakes-postgres"]["postgres-password"].decode() == new
    assert database.lets_in(new)
    assert not (cluster.project / "secrets/postgres_password.old").exists()


@pytest.mark.servers
def test_a_password_that_the_database_has_already_is_no_obstacle(deployed, database):
    """Killed between the change in the database and the change here: only the .new file knows the password."""
    cluster = deployed()
    where = use(database, cluster.project)
    old = secret(cluster.project, "postgres_password")
    new = "0123456789abcdef" * 2
    database.alter(new)
    (cluster.project / "secrets/postgres_password.new").write_text(new)
    cluster.make("rotate", "NAME=postgres_password", **where)
    assert secret(cluster.project, "postgres_password") == new != old
    assert database.lets_in(new)


def test_the_admins_new_password_is_set_in_airflow(deployed, program, tmp_path):
    cluster = deployed()
    cluster.make(
        "rotate", "NAME=admin_password", PATH=program("airflow", f'#!/bin/sh\necho "$@" > {tmp_path}/called\n')
    )
    new = secret(cluster.project, "admin_password")
    called = (tmp_path / "called").read_text().strip()
    assert called == f"users reset-password --username admin --password {new}"
    assert not any(new in call for call in said(cluster))


def test_an_admin_s_password_that_was_not_set_is_not_called_new(deployed, program):
    cluster = deployed()
    cluster["exec-does-nothing"] = "yes"
    output = cluster.make("rotate", "NAME=admin_password", expect=2)
    assert "ended early" in output
    assert "is new" not in output
    (cluster.state / "exec-does-nothing").unlink()
    new = secret(cluster.project, "admin_password")
    cluster.make("rotate", "NAME=admin_password", PATH=program("airflow", "#!/bin/sh\n"))
    assert secret(cluster.project, "admin_password") == new


@pytest.mark.servers
def test_an_expired_git_token_is_replaced_by_one_command(deployed, tmp_path):
    other = TOKEN.replace("x", "y")
    with GitHttpsServer(tmp_path, other) as server:
        cluster = deployed(git_access="https-token", git_repo=server.url)
        where = {"GIT_SSL_CAINFO": str(server.certificate), "GIT_ALLOW_PROTOCOL": "https"}
        # One that does not open the repository changes nothing.
        output = cluster.make("rotate", "NAME=git_token", expect=2, GIT_TOKEN=TOKEN, **where)
        assert "does not open" in output
        assert cluster.writes() == []
        assert "there is no git token" in cluster.make("rotate", "NAME=git_token", expect=2, **where)

        output = cluster.make("rotate", "NAME=git_token", GIT_TOKEN=other, **where)
        assert cluster.secrets()["quakes-git-token"]["GITSYNC_PASSWORD"] == other.encode()
        assert [set(given) for given in applied(cluster)] == [{"quakes-git-token"}]
        assert [call.split()[:2] for call in said(cluster) if call.startswith("rollout")] == [
            ["rollout", "restart"],
            ["rollout", "status"],
        ]
        assert other not in output
        assert not any(other in word for call in cluster.calls("kubectl") for word in call[:-1])
        cluster["apply-does-nothing"] = "yes"
        server.server.RequestHandlerClass.token = TOKEN
        output = cluster.make("rotate", "NAME=git_token", expect=2, GIT_TOKEN=TOKEN, **where)
        assert "the cluster lacks it: quakes-git-token" in output


def test_where_there_is_no_git_token_none_is_rotated(deployed):
    assert "git_token" not in deployed().make("rotate", "NAME=git_token", expect=2).partition("one of: ")[2]


@pytest.mark.parametrize("name", ["", "NAME=passwords", "NAME=deploy_key.pub"])
def test_an_unknown_name_lists_those_there_are(new, name):
    output = new(executor="LocalExecutor").make("rotate", *([name] if name else []), expect=2)
    assert "deploy_key, fernet_key, api_secret_key, jwt_secret, admin_password, postgres_password" in output


@pytest.mark.servers
@pytest.mark.parametrize("kind", ["ed25519", "rsa-4096"])
def test_a_deploy_key_takes_over_once_it_opens_the_repository(deployed, tmp_path, kind):
    with GitSshServer(tmp_path) as server:
        cluster = deployed(git_repo=server.url)
        cluster.environment["GIT_ALLOW_PROTOCOL"] = "ssh"
        set_answer(cluster.project, "deploy_key_type", kind)
        project = cluster.project
        etl(project, "known-hosts", answer="y\n")
        private, public = project / "secrets/deploy_key", project / "secrets/deploy_key.pub"
        old, old_public = private.read_bytes(), public.read_text()
        server.register(old_public)

        first = cluster.make("rotate-deploy-key", expect=2)
        new_public = Path(f"{private}.new.pub").read_text()
        assert new_public.strip() in first
        assert "Deploy keys" in first
        assert (private.read_bytes(), public.read_text()) == (old, old_public)
        assert cluster.writes() == []

        server.register(old_public, new_public)
        second = cluster.make("rotate-deploy-key")
        assert public.read_text() == new_public
        assert new_public.startswith({"ed25519": "ssh-ed25519", "rsa-4096": "ssh-rsa"}[kind])
        assert cluster.secrets()["quakes-git-ssh"]["gitSshKey"] == private.read_bytes() != old
        assert any(call.startswith("rollout restart") for call in said(cluster))
        assert "Now remove the old key" in second
        assert old_public.strip() in second
        assert not [*(project / "secrets").glob("*.new*"), *(project / "secrets").glob("*.old*")]


def set_answer(project, name, value):
    file = project / "pyproject.toml"
    file.write_text(re.sub(f"(?m)^{name} = .*$", f'{name} = "{value}"', file.read_text()))


def test_a_deploy_key_rotation_cut_between_its_two_moves_is_finished(deployed):
    """The private key is in its place, its public half not yet."""
    cluster = deployed()
    folder = cluster.project / "secrets"
    whole = (folder / "deploy_key.pub").read_text()
    (folder / "deploy_key.pub").rename(folder / "deploy_key.new.pub")
    (folder / "deploy_key.pub").write_text("ssh-ed25519 AAAA the one before\n")
    cluster.put_secret("quakes-git-ssh", {"gitSshKey": b"the one before"})
    cluster.make("rotate-deploy-key")
    assert (folder / "deploy_key.pub").read_text() == whole
    assert cluster.secrets()["quakes-git-ssh"]["gitSshKey"] == (folder / "deploy_key").read_bytes()


@pytest.mark.servers
def test_a_new_deploy_key_that_does_not_reach_the_cluster_is_not_lost(deployed, tmp_path):
    with GitSshServer(tmp_path) as server:
        cluster = deployed(git_repo=server.url)
        cluster.environment["GIT_ALLOW_PROTOCOL"] = "ssh"
        project = cluster.project
        etl(project, "known-hosts", answer="y\n")
        old_public = (project / "secrets/deploy_key.pub").read_text()
        cluster.make("rotate-deploy-key", expect=2)
        new_public = (project / "secrets/deploy_key.new.pub").read_text()
        server.register(new_public)
        cluster["apply-fails"] = "The connection to the server 10.0.0.1:6443 was refused"
        output = cluster.make("rotate-deploy-key", expect=2)
        assert "keep both registered" in output
        assert (project / "secrets/deploy_key.pub").read_text() == new_public
        cluster["apply-fails"] = ""
        output = cluster.make("rotate-deploy-key")
        assert old_public.strip() in output
        assert cluster.secrets()["quakes-git-ssh"]["gitSshKey"] == (project / "secrets/deploy_key").read_bytes()
