"""From a bake to data in Parquet: a private repository by deploy key, git-sync, PostgreSQL, LocalExecutor."""

import subprocess

import pytest

from tests.conftest import run
from tests.e2e.conftest import expected_counts, following, leftovers, read_clean, ssh_command
from tests.e2e.pods import chart_at_hand

pytestmark = pytest.mark.e2e
DAY = "2018-02-01"


@pytest.fixture(scope="module")
def project(push_project):
    return push_project(executor="LocalExecutor", git_access="ssh-deploy-key", dag_delivery="git-sync")


@pytest.fixture(scope="module")
def release(project, install, event_service, servers, measured):
    """The installation, git-sync beside it; the DAGs are switched on."""
    # The live service cannot be reached from here: one like it, with the sample days.
    release = install(project.folder, ETL_SOURCE=event_service(project.folder).url)
    with following(release, servers) as release.sync:
        release.start()
        measured("PostgreSQL and Airflow healthy (LocalExecutor)", release.timings["healthy after"])
        release.unpause("extract", "transform")
        yield release
        assert not release.sync.failures


@pytest.fixture(scope="module")
def dags(release):
    return release.root / "opt/airflow/dags/repo/dags"


def test_the_rules_say_what_the_chart_does(project, release):
    """What is told to processes without the chart at hand is what the chart tells them."""
    if not chart_at_hand():
        pytest.skip("AIRFLOW_CHART is not set: the rules themselves are what everything here runs by")
    pods = release.pods
    assert pods.git_sync_by_rules().items() <= pods.git_sync_by_chart().items()
    assert pods.airflow_by_rules().items() <= pods.airflow_by_chart().items()


def test_the_deploy_key_may_only_read(project):
    key, known_hosts = project.folder / "secrets/deploy_key", project.folder / "helm/known_hosts"
    project.git("fetch", ssh=ssh_command(key, known_hosts))
    push = ["git", "push", "origin", "HEAD:refs/heads/other"]
    said = run(push, cwd=project.folder, expect=128, GIT_SSH_COMMAND=ssh_command(key, known_hosts))
    assert "may only read" in said


def test_git_sync_trusts_no_other_server(project, release, tmp_path):
    """Another host key at the same address: the checkout stays as it is."""
    other = tmp_path / "known_hosts"
    public = (project.git_server.folder / "own_key.pub").read_text().split()
    other.write_text(f"[127.0.0.1]:{project.git_server.port} {public[0]} {public[1]}\n")
    right = release.sync.environment
    release.sync.environment = right | {"GITSYNC_SSH_KNOWN_HOSTS_FILE": str(other)}
    try:
        with pytest.raises(subprocess.CalledProcessError) as refused:
            release.sync.sync()
    finally:
        release.sync.environment = right
    assert "Host key verification failed" in refused.value.stderr


def test_secrets_are_not_on_the_server(project):
    tree = project.git("ls-tree", "-r", "--name-only", "origin/main").split()
    assert [name for name in tree if name.startswith("secrets/")] == ["secrets/.gitignore"]


def test_by_rest_with_params_and_transform_follows(project, release, dags):
    run_id = release.trigger("extract", partition=DAY, slices=6)
    assert release.finished("extract", run_id)["state"] == "success"
    expected = expected_counts(project.folder, DAY)
    assert release.result("extract", run_id)["rows"] == expected["rows"]
    fetches = [task for task in release.tasks("extract", run_id) if task["task_id"] == "fetch"]
    assert sorted(task["map_index"] for task in fetches) == list(range(6))

    run = release.run_for("transform", DAY)
    assert (run["state"], run["run_type"]) == ("success", "asset_triggered")
    counts = release.result("transform", run["dag_run_id"])
    assert counts["read"] == expected["rows"]
    assert (counts["clean"], counts["set_apart"]) == (expected["clean"], expected["set_apart"])
    assert (counts["duplicates"], counts["rejected"]) == (expected["duplicates"], 0)
    events = read_clean(release, dags, DAY)
    assert events["rows"] == len(set(events["ids"])) == expected["clean"]
    assert events["days"] == [DAY]
    assert {"magnitude_class", "depth_class", "local_day"} <= set(events["columns"])
    assert leftovers(release.root / "opt/airflow/data") == []
