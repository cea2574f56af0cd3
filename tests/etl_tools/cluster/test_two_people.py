"""Two people, two clones, one cluster, from the bake to the second deploy and on: nobody loses a key."""

import json
import re
import shutil
import stat

import pytest

from tests.conftest import run, with_tools
from tests.etl_tools.cluster import helm_chart
from tests.etl_tools.cluster.cluster import ANSWERS, SERVER, Cluster, kubeconfig


@pytest.fixture
def first(bake_fresh, tmp_path):
    """Who baked the project and deployed it."""
    cluster = Cluster(bake_fresh(**ANSWERS), tmp_path, helm_chart.tools() / "helm")
    run(["git", "add", "--all"], cwd=cluster.project)
    run(["git", "commit", "--quiet", "--no-verify", "-m", "Start"], cwd=cluster.project)
    cluster.make("deploy")
    return cluster


@pytest.fixture
def second(first, tmp_path):
    """Who cloned it; the cluster is the same."""
    clone = tmp_path / "clone"
    run(["git", "clone", "--quiet", first.project, clone], cwd=tmp_path)
    first.forget_calls()
    return first.beside(clone)


def files(cluster):
    folder = cluster.project / "secrets"
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name not in (".gitignore", "cluster")}


def copied(source, target):
    """Copy the keys as a person does who got them from the other."""
    for name, content in files(source).items():
        (target.project / "secrets" / name).write_bytes(content)
        (target.project / "secrets" / name).chmod(0o600)


def test_two_people_deploy_in_turn(first, second):
    before = first.secrets()
    # The clone has no keys. Whatever is tried, none is made and the cluster is left alone.
    for words in (["deploy"], ["secrets"], ["rotate", "NAME=fernet_key"]):
        assert "make keys-from-cluster" in second.make(*words, expect=2)
    assert files(second) == {}
    assert first.writes() == []
    assert first.secrets() == before

    printed = second.make("keys-from-cluster")
    assert files(second) == files(first)
    assert {stat.S_IMODE((second.project / "secrets" / name).stat().st_mode) for name in files(second)} == {0o600}
    assert stat.S_IMODE((second.project / "secrets").stat().st_mode) == 0o700
    assert not [content for content in files(second).values() if content.decode() in printed]
    assert "nothing was written" in second.make("deploy")
    assert first.secrets() == before

    # The second one rotates a key; then the first one has the old one, and does not bring it back.
    second.make("rotate", "NAME=jwt_secret")
    first.forget_calls()
    for target in ("deploy", "secrets"):
        printed = first.make(target, expect=2)
        assert re.search(r"^  quakes-jwt  jwt-secret +another content$", printed, re.MULTILINE), printed
        assert "make keys-from-cluster" in printed
        assert "OVERWRITE=yes" in printed
    assert first.writes() == []
    printed = first.make("keys-from-cluster", expect=2)
    assert "secrets/ holds other content in jwt_secret. Nothing was written" in printed
    first.make("keys-from-cluster", OVERWRITE="yes")
    assert files(first) == files(second)
    first.make("deploy")
    assert first.secrets() == second.secrets()
    assert not run(["git", "status", "--porcelain"], cwd=second.project)


def test_keys_made_in_a_clone_say_that_there_may_be_others_and_never_reach_the_cluster(first, second):
    before = first.secrets()
    printed = second.make("keys")
    assert "If Airflow runs already for this repository, it has others" in printed
    assert "make keys-from-cluster" in printed
    assert "fernet_key" in files(second)
    assert "If Airflow runs already" not in second.make("keys")
    for words in (["deploy"], ["secrets"], ["rotate", "NAME=admin_password"]):
        second.make(*words, expect=2)
    assert first.secrets() == before
    # The table names Secrets and keys, never what is in them.
    printed = second.make("secrets", expect=2)
    names = {line.split()[0] for line in printed.splitlines() if line.startswith("  quakes-")}
    assert names == set(before)
    contents = [content for each in (first, second) for name, content in files(each).items() if "pub" not in name]
    assert not [content for content in contents if content.decode().strip() in printed]
    assert first.writes() == []
    # A new installation still works: it is asked for by its own words.
    second.make("secrets", OVERWRITE="yes")
    assert first.secrets() != before


def test_a_project_that_was_just_baked_hears_nothing_of_others(bake_fresh):
    project = with_tools(bake_fresh(**ANSWERS))
    for path in (project / "secrets").glob("[!.]*"):
        path.unlink()
    assert "If Airflow runs already" not in run(["make", "keys"], cwd=project)
    for path in (project / "secrets").glob("[!.]*"):
        path.unlink()
    run(["git", "commit", "--quiet", "--no-verify", "--allow-empty", "-m", "Start"], cwd=project)
    assert "If Airflow runs already" in run(["make", "keys"], cwd=project)


def test_one_secret_can_be_replaced_by_its_name(first, second):
    copied(first, second)
    for name in ("jwt_secret", "api_secret_key"):
        (second.project / "secrets" / name).write_text("x" * 128)
    second.make("secrets", expect=2, OVERWRITE="quakes-jwt")  # the other one is still refused
    assert first.writes() == []
    (second.project / "secrets" / "api_secret_key").write_bytes(files(first)["api_secret_key"])
    second.make("secrets", OVERWRITE="quakes-jwt")
    assert first.secrets()["quakes-jwt"] == {"jwt-secret": b"x" * 128}


def test_keys_go_through_a_password_manager(first, second, tmp_path):
    run(["tar", "-cf", tmp_path / "keys.tar", "secrets"], cwd=first.project)
    run(["tar", "-xf", tmp_path / "keys.tar"], cwd=second.project)
    assert files(second) == files(first)
    assert {stat.S_IMODE((second.project / "secrets" / name).stat().st_mode) for name in files(second)} == {0o600}
    second.make("deploy")
    assert not [call for call in first.calls("kubectl") if call[:2] == ["apply", "--server-side"]]
    assert not run(["git", "status", "--porcelain"], cwd=second.project)


def test_the_page_about_keys_names_the_secrets_that_there_are(first):
    # With a database of one's own there are all of them.
    secrets = first.project / "secrets"
    (secrets / "database_url").write_text("postgresql://a:b@db.example.com/airflow?sslmode=verify-full\n")
    (secrets / "database_ca.crt").write_text("-----BEGIN CERTIFICATE-----\n")
    first.make("secrets")
    page = (first.project / "docs" / "keys.md").read_text()
    table = dict(re.findall(r"^\| `(quakes-[\w-]+)` \| (.*) \|$", page, re.MULTILINE))
    assert set(table) == {*first.secrets(), "quakes-connections"}
    for name, data in first.secrets().items():
        assert {word for word in re.findall("`([\\w.-]+)`", table[name])} == set(data), name


def test_nothing_is_taken_from_a_namespace_without_keys(second):
    second["objects.json"] = "{}"
    assert "has none of this project's Secrets. For new keys: make keys" in second.make("keys-from-cluster", expect=2)
    assert files(second) == {}


def test_what_the_cluster_lacks_is_said(first, second):
    objects = json.loads((first.state / "objects.json").read_text())
    del objects["etl/secret/quakes-redis"], objects["etl/secret/quakes-broker"]
    first["objects.json"] = objects
    assert "The cluster has no redis_password: make keys makes what is missing" in second.make("keys-from-cluster")
    assert "redis_password" not in files(second)


# --- The right cluster


def test_the_cluster_is_named_first_and_another_one_is_refused(first, tmp_path):
    cluster = first
    line = f"Cluster: context here, server {SERVER}, namespace etl"
    config = kubeconfig(tmp_path / "two", "prod", here=SERVER, prod="https://10.9.9.9:6443")
    for words in (
        ["deploy"],
        ["secrets"],
        ["rotate", "NAME=jwt_secret"],
        ["rollback", "CONFIRM=yes"],
        ["undeploy", "CONFIRM=airflow"],
        ["keys-from-cluster"],
    ):
        assert cluster.make(*words).splitlines()[0] == line, words
        cluster.forget_calls()
        printed = cluster.make(*words, expect=2, KUBECONFIG=config)
        assert printed.splitlines()[0] == "Cluster: context prod, server https://10.9.9.9:6443, namespace etl"
        assert f"this checkout was deployed to context here ({SERVER}), and kubectl points at prod" in printed
        assert "CONTEXT=prod make …" in printed
        assert cluster.writes() == []
        assert [call[:2] for call in cluster.calls("kubectl")] == [["config", "view"]]
    # What only looks, or starts a run, is refused as well: another cluster's answer would be taken for this one's.
    for words in (["status"], ["diff"], ["trigger", "DAG=extract"], ["ui-forward"], ["logs-sync"], ["pod-dags"]):
        cluster.forget_calls()
        printed = cluster.make(*words, expect=2, KUBECONFIG=config)
        assert f"this checkout was deployed to context here ({SERVER}), and kubectl points at prod" in printed, words
        assert [call[:2] for call in cluster.calls("kubectl")] == [["config", "view"]]
        assert cluster.calls("helm") == []
    # Said once, it is the one from now on; --context goes to both tools.
    cluster.make("deploy", KUBECONFIG=config, CONTEXT="prod")
    assert set((cluster.state / "contexts").read_text().splitlines()) == {
        "kubectl --context=prod",
        "helm --kube-context=prod",
    }
    cluster.make("deploy", KUBECONFIG=config)
    assert "was deployed to context prod" in cluster.make("deploy", expect=2)
    cluster.make("deploy", CONTEXT="here")


def test_the_same_name_for_another_server_is_another_cluster(first, tmp_path):
    """Every microk8s calls its context microk8s."""
    config = kubeconfig(tmp_path / "other", "here", here="https://10.9.9.9:6443")
    assert "was deployed to context here" in first.make("secrets", expect=2, KUBECONFIG=config)


def test_the_remembered_cluster_is_not_in_git(first):
    remembered = first.project / "secrets" / "cluster"
    assert remembered.read_text() == f"here {SERVER}"
    assert stat.S_IMODE(remembered.stat().st_mode) == 0o600
    assert run(["git", "check-ignore", "secrets/cluster"], cwd=first.project)


# --- What this checkout alone shows


@pytest.mark.parametrize(
    ("break_it", "words"),
    [
        (
            lambda project: replace(project, "pyproject.toml", "git@github.com:acme/", "git@github.com:your-org/"),
            "placeholder",
        ),
        (lambda project: (project / "helm/known_hosts").write_text("# none\n"), "has no key of github.com"),
        (lambda project: replace(project, "helm/values.yaml", "executor: ", "executor: FILL-IN"), "FILL-IN"),
        (lambda project: run(["git", "add", "-f", "secrets/jwt_secret"], cwd=project), "git tracks secrets/jwt_secret"),
    ],
    ids=["placeholder", "no known host", "FILL-IN", "tracked secret"],
)
def test_what_doctor_sees_offline_stops_a_deploy_before_anything_changes(bake_fresh, tmp_path, break_it, words):
    cluster = Cluster(bake_fresh(**ANSWERS), tmp_path, helm_chart.tools() / "helm")
    break_it(cluster.project)
    printed = cluster.make("deploy", expect=2)
    assert words in printed
    assert "FORCE=yes make deploy" in printed
    assert cluster.writes() == []
    cluster.make("deploy", FORCE="yes")
    assert [call[0] for call in cluster.calls("helm") if call[0] == "upgrade"]


def replace(project, name, old, new):
    text = (project / name).read_text()
    assert old in text
    (project / name).write_text(text.replace(old, new))


# --- Secrets made by others


def test_external_secrets_are_looked_at_and_never_made(bake_fresh, tmp_path):
    cluster = Cluster(bake_fresh(**ANSWERS), tmp_path, helm_chart.tools() / "helm")
    made = Cluster(cluster.project, tmp_path, cluster.real_helm)
    made.make("secrets")
    objects = made.secrets()
    cluster["objects.json"] = "{}"
    shutil.rmtree(cluster.project / "secrets")
    cluster.forget_calls()
    printed = cluster.make("deploy", "SECRETS=external", expect=2)
    assert "lacks what the values name: quakes-admin (password), quakes-api-secret (api-secret-key)" in printed
    assert cluster.writes() == []
    for name, data in objects.items():
        cluster.put_secret(name, data)
    cluster.put_secret("quakes-fernet", {"FERNET_KEY": b"x"})
    printed = cluster.make("deploy", "SECRETS=external", expect=2)
    assert "lacks what the values name: quakes-fernet (fernet-key)." in printed
    cluster.put_secret("vault-fernet", {"fernet-key": b"x"})
    replace(
        cluster.project, "helm/values.yaml", "fernetKeySecretName: quakes-fernet", "fernetKeySecretName: vault-fernet"
    )
    before = cluster.secrets()
    cluster.make("deploy", "SECRETS=external")
    assert cluster.secrets() == before
    assert not [path for path in (cluster.project / "secrets").glob("*") if path.name != "cluster"]


# --- Numbers of pods that others set


def test_a_scaled_workload_is_not_reset_by_surprise(first):
    first["scaled.json"] = ["airflow-worker"]
    printed = first.make("deploy", expect=2)
    assert (
        'etl/airflow-worker apps/v1, Kind=StatefulSet: Apply failed with 1 conflict: conflict with "kubectl"' in printed
    )
    assert "To keep it, write it into helm/values.yaml as replicas" in printed
    assert "FORCE_CONFLICTS=yes make deploy" in printed
    first.make("deploy", FORCE_CONFLICTS="yes")
    assert "--force-conflicts" in first.calls("helm")[-1]


def test_another_conflict_names_the_owner_and_the_flag(first):
    first["helm-fails"] = (
        "Error: UPGRADE FAILED: conflict occurred while applying object etl/airflow-config /v1, Kind=ConfigMap: "
        'Apply failed with 1 conflict: conflict with "kubectl-edit" using v1: .data.airflow.cfg'
    )
    printed = first.make("deploy", expect=2)
    assert 'conflict with "kubectl-edit" using v1: .data.airflow.cfg' in printed
    assert "To take that over: FORCE_CONFLICTS=yes" in printed
