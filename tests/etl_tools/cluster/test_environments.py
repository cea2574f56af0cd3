"""ENV=staging: another namespace, cluster, branch, folder of keys and values file, and none of them shared."""

import json
import re
import sys

import pytest
import yaml

from tests.conftest import run
from tests.etl_tools.cluster import helm_chart
from tests.etl_tools.cluster.cluster import ANSWERS, SERVER, Cluster, kubeconfig
from tests.etl_tools.terminal import Session

STAGING = '\n[tool.airflow-etl.environments.staging]\nnamespace = "etl-staging"  # beside it\ngit_branch = "develop"\n'
PRODUCTION = '\n[tool.airflow-etl.environments.production]\nnamespace = "etl-prod"\ngit_branch = "production"\n'


@pytest.fixture
def cluster(bake_fresh, tmp_path):
    """Return a function: text for pyproject.toml, answers → a project with these environments, and its cluster."""

    def new(text, **answers):
        project = bake_fresh(**ANSWERS | answers)
        with (project / "pyproject.toml").open("a") as file:
            file.write(text)
        return Cluster(project, tmp_path, helm_chart.tools() / "helm")

    return new


@pytest.fixture
def own_chart(tmp_path):
    """A chart that renders its values, all of them, as JSON."""
    chart = tmp_path / "own" / "airflow"
    (chart / "templates").mkdir(parents=True)
    (chart / "Chart.yaml").write_text("apiVersion: v1\nname: airflow\nversion: 0.1.0\n")
    template = "kind: ConfigMap\nmetadata: {name: values}\ndata: {values: {{ toJson .Values | quote }}}\n"
    (chart / "templates" / "values.yaml").write_text(template)
    return str(chart)


def upgraded_with(cluster, own_chart, **environment):
    """Deploy, and return namespace and values as the real Helm renders what `helm upgrade` was given."""
    cluster.forget_calls()
    cluster.make("deploy", CHART=own_chart, **environment)
    upgrade = next(call for call in cluster.calls("helm") if call[0] == "upgrade")
    arguments = [
        word
        for word in upgrade[3:-1]
        if word.startswith(("-", "/")) and "history" not in word and "timeout" not in word
    ]
    (helm,) = {str(cluster.real_helm)}
    rendered = run([helm, "template", "airflow", *arguments], cwd=cluster.project)
    return json.loads(yaml.safe_load(rendered)["data"]["values"])


def test_one_environment_is_as_ever(cluster, own_chart):
    one = cluster("")
    values = upgraded_with(one, own_chart)
    assert "ENV=" not in one.make("rotate", "NAME=none", expect=2) + one.make("doctor", expect=2, OFFLINE="1")
    assert values["dags"]["gitSync"]["ref"] == "main"
    assert set(one.secrets("etl")) >= {"quakes-fernet"}
    printed = one.make("deploy", expect=2, ENV="staging")
    assert "ENV=staging: pyproject.toml has no [tool.airflow-etl.environments.staging]" in printed
    # What sh calls ENV is a file.
    one.make("secrets", ENV="/etc/profile.d/sh.rc")


@pytest.mark.parametrize("delivery", ["git-sync", "git-dag-bundle"])
def test_an_environment_has_a_namespace_branch_keys_and_values_of_its_own(cluster, own_chart, delivery):
    both = cluster(STAGING, dag_delivery=delivery, data_root="gs://bucket/etl")
    project = both.project
    with (project / "pyproject.toml").open("a") as file:
        file.write('data_root = "gs://bucket/staging,1"\n')
    (project / "helm" / "values.staging.yaml").write_text("triggerer:\n  replicas: 7\n")
    upgraded_with(both, own_chart)
    before = both.secrets("etl")
    # What it says to do is meant for this environment; typed as it stands, it would be for the other one.
    printed = both.make("deploy", expect=2, ENV="staging")
    assert "secrets/staging/ lacks deploy_key, fernet_key" in printed
    assert "\nPut ENV=staging before that, too.\n" in printed
    assert "ENV=staging comes before each make command" in both.make("doctor", expect=2, ENV="staging", OFFLINE="1")
    assert "secrets/staging/" in both.make("keys", ENV="staging")

    values = upgraded_with(both, own_chart, ENV="staging")
    kwargs = values.get("dagProcessor", {}).get("dagBundleConfigList", [{}])[0].get("kwargs", {})
    assert (values["dags"]["gitSync"]["ref"] if delivery == "git-sync" else kwargs["tracking_ref"]) == "develop"
    assert delivery == "git-sync" or kwargs["repo_url"] == ANSWERS["git_repo"]
    assert {item["name"]: item["value"] for item in values["env"]}["ETL_DATA_ROOT"] == "gs://bucket/staging,1"
    assert {item["name"] for item in values["env"]} >= {"ETL_DATA_ROOT", "ETL_SOURCE"}
    assert values["triggerer"]["replicas"] == 7
    assert values["triggerer"]["persistence"] == {"size": "1Gi"}
    there = both.secrets("etl-staging")
    assert set(there) == set(before)
    assert there["quakes-fernet"]["fernet-key"] == (project / "secrets/staging/fernet_key").read_bytes()
    assert there["quakes-fernet"] != before["quakes-fernet"]
    assert b"@airflow-postgresql.etl-staging:" in there["quakes-metadata"]["connection"]
    assert both.secrets("etl") == before
    assert not run(["git", "status", "--porcelain", "--", "secrets"], cwd=project).replace("?? secrets/\n", "")
    for words in (["diff"], ["secrets"], ["rotate", "NAME=jwt_secret"], ["status"], ["keys-from-cluster"]):
        both["releases.json"] = [
            {"name": "airflow", "chart": "a", "revision": 1, "status": "deployed", "updated": "2026"}
        ]
        both.make(*words, ENV="staging", CHART=own_chart)
    assert both.secrets("etl") == before


def test_an_environment_in_a_cluster_of_its_own_is_reached_by_its_context(cluster, tmp_path):
    two = cluster(STAGING + 'context = "there"\n')
    config = kubeconfig(tmp_path / "two", "here", here=SERVER, there="https://10.9.9.9:6443")
    two.make("keys", ENV="staging")
    printed = two.make("deploy", ENV="staging", KUBECONFIG=config)
    assert printed.splitlines()[0] == "Cluster: context there, server https://10.9.9.9:6443, namespace etl-staging"
    assert set((two.state / "contexts").read_text().splitlines()) == {
        "kubectl --context=there",
        "helm --kube-context=there",
    }
    assert (two.project / "secrets/staging/cluster").read_text() == "there https://10.9.9.9:6443"


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ('namespace = "etl"', "have one namespace, etl in the cluster that kubectl points at"),
        ('namespace = "b"', "have one data_root, gs://bucket/etl"),
        ('namespace = "b"\ndata_root = "gs://bucket/b"', None),
    ],
)
def test_what_two_environments_share_is_refused(cluster, more, words):
    both = cluster(f"\n[tool.airflow-etl.environments.b]\n{more}\n", data_root="gs://bucket/etl")
    both.make("keys", ENV="b")
    for environment in ({}, {"ENV": "b"}):
        if words:
            assert words in both.make("deploy", expect=2, **environment)
            assert both.writes() == []
        else:
            both.make("deploy", **environment)


def test_two_environments_with_one_database_are_refused(cluster):
    both = cluster(STAGING)
    both.make("keys", ENV="staging")
    (both.project / "secrets/database_url").write_text("postgresql://a:x@db.example.com/airflow?sslmode=require\n")
    (both.project / "secrets/staging/database_url").write_text("postgresql://b:y@db.example.com:5432/airflow\n")
    assert "have one database, db.example.com:5432/airflow" in both.make("deploy", expect=2)
    (both.project / "secrets/staging/database_url").write_text("postgresql://b:y@db.example.com:5432/staging\n")
    both.make("deploy")


@pytest.fixture
def promoted(cluster, tmp_path):
    """A project with tags v1 and v2 on a real remote."""
    both = cluster(PRODUCTION)
    remote = tmp_path / "remote.git"
    git = ["git", "-C", both.project]
    run(["git", "init", "--quiet", "--bare", remote], cwd=tmp_path)
    run([*git, "remote", "add", "origin", remote], cwd=tmp_path)
    for tag in ("v1", "v2"):
        (both.project / "dags" / f"{tag}.py").write_text("")
        run([*git, "add", "--all"], cwd=tmp_path)
        run([*git, "commit", "--quiet", "--no-verify", "-m", f"More for {tag}"], cwd=tmp_path)
        run([*git, "tag", tag], cwd=tmp_path)
    run([*git, "push", "--quiet", "--tags", "origin", "main"], cwd=tmp_path)
    return both, lambda: run(["git", "-C", remote, "describe", "--tags", "production"], cwd=tmp_path).strip()


def test_promote_moves_production_to_a_tag_and_back(promoted):
    project, at = promoted
    assert "which one? TAG=… (the newest: v2, v1). production is at nothing yet" in project.make(
        "promote", expect=2, ENV="production"
    )
    project.make("promote", ENV="production", TAG="v1", CONFIRM="yes")
    assert at() == "v1"
    # It shows what would change, and changes nothing without a yes.
    printed = project.make("promote", expect=2, ENV="production", TAG="v2")
    assert re.search(r"^> \w+ More for v2$", printed, re.MULTILINE)
    assert "dags/v2.py" in printed
    assert "nothing was done" in printed
    assert at() == "v1"
    project.make("promote", ENV="production", TAG="v2", CONFIRM="yes")
    assert at() == "v2"
    assert "production is at v2 already" in project.make("promote", ENV="production", TAG="v2")
    printed = project.make("promote", ENV="production", TAG="v1", CONFIRM="yes")
    assert re.search(r"^< \w+ More for v2$", printed, re.MULTILINE)
    assert at() == "v1"
    assert project.writes() == []


def test_a_branch_that_somebody_moves_meanwhile_stays_where_they_put_it(promoted):
    """Between the question and the yes."""
    project, at = promoted
    project.make("promote", ENV="production", TAG="v1", CONFIRM="yes")
    where = project.environment | {"ENV": "production", "TAG": "v1", "VALUES": "helm/values.yaml"}
    project.make("promote", ENV="production", TAG="v2", CONFIRM="yes")
    terminal = Session([sys.executable, "-m", "etl_tools.cli", "promote"], project.project, terminal=True, **where)
    terminal.until("(yes)")
    run(["git", "commit", "--quiet", "--allow-empty", "--no-verify", "-m", "Theirs"], cwd=project.project)
    run(["git", "tag", "theirs"], cwd=project.project)
    run(["git", "push", "--quiet", "--tags", "--force", "origin", "HEAD:production"], cwd=project.project)
    status, printed = terminal.press("yes\n")
    assert status == 1
    assert "make promote: git push: " in printed
    assert "follows v1" not in printed
    assert at() == "theirs"


def test_the_branch_that_people_work_on_is_not_promoted(promoted):
    project, _ = promoted
    printed = project.make("promote", expect=2, TAG="v1", CONFIRM="yes")
    assert "follows main, the branch you work on" in printed
    assert "git rev-parse:" in project.make("promote", expect=2, ENV="production", TAG="v9")
    run(["git", "remote", "set-url", "origin", "/none"], cwd=project.project)
    printed = project.make("promote", expect=2, ENV="production", TAG="v1")
    assert "git fetch: fatal: '/none' does not appear to be a git repository" in printed
