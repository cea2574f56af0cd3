"""From a bake to data in Parquet: a private repository by deploy key, git-sync, PostgreSQL, LocalExecutor."""

import re
import subprocess
import sys
import time
import urllib.parse

import pytest

from tests.conftest import run
from tests.e2e.conftest import expected_counts, files_of, follow, following, leftovers, read_clean, ssh_command
from tests.e2e.pods import chart_at_hand

pytestmark = pytest.mark.e2e
DAY = "2018-02-01"


# Runs that are on their way while something else changes; its retries do not wait for minutes.
SHORT = """
import pendulum
from airflow.sdk import dag, task


@dag(
    schedule=None,
    start_date=pendulum.datetime(2018, 1, 1, tz="UTC"),
    default_args={"retries": 30, "retry_delay": pendulum.duration(seconds=5)},
)
def short():
    @task
    def work() -> int:
        return 1

    work()


short()
"""


@pytest.fixture(scope="module")
def project(push_project):
    project = push_project(executor="LocalExecutor", git_access="ssh-deploy-key", dag_delivery="git-sync")
    (project.folder / "dags" / "short.py").write_text(SHORT)
    project.push("A short DAG")
    return project


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
    assert release.result("extract", run_id, DAY)["files"] == 6
    fetches = [task for task in release.tasks("extract", run_id) if task["task_id"] == "fetch"]
    assert sorted(task["map_index"] for task in fetches) == list(range(6))

    run = release.run_for("transform", DAY)
    assert (run["state"], run["run_type"]) == ("success", "asset_triggered")
    expected = expected_counts(project.folder, DAY)
    counts = release.result("transform", run["dag_run_id"], DAY)
    assert counts["read"] == expected["rows"]
    assert (counts["clean"], counts["set_apart"]) == (expected["clean"], expected["set_apart"])
    assert (counts["duplicates"], counts["rejected"]) == (expected["duplicates"], 0)
    events = read_clean(release, dags, DAY)
    assert events["rows"] == len(set(events["ids"])) == expected["clean"]
    assert events["days"] == [DAY]
    assert {"magnitude_class", "depth_class", "local_day"} <= set(events["columns"])
    assert leftovers(release, dags) == []


def test_backfill_of_a_month(project, release, dags):
    """28 days in February: those that the service has events of, and empty ones."""
    days = [f"2018-02-{number:02}" for number in range(1, 29)]
    release.ask(
        "POST",
        "/api/v2/backfills",
        {
            "dag_id": "extract",
            "from_date": f"{days[0]}T00:00:00Z",
            "to_date": f"{days[-1]}T00:00:00Z",
            "dag_run_conf": {"slices": 1},
        },
    )
    for day in days:
        assert release.run_for("extract", day, seconds=900)["run_type"] == "backfill"
        assert release.run_for("transform", day)["state"] == "success"
    for day in days[:3]:
        events = read_clean(release, dags, day)
        assert events["rows"] == expected_counts(project.folder, day)["clean"]
        assert events["days"] == [day]
    assert read_clean(release, dags, days[-1])["rows"] == 0
    backfilled = {run["partition_key"] for run in release.runs("extract") if run["run_type"] == "backfill"}
    assert backfilled == set(days)
    assert leftovers(release, dags) == []


def test_the_same_bytes_however_a_run_is_started(release, dags, browser):
    """A day by backfill, by hand with a param, by hand with a partition key, and run again in the UI."""
    day = "2018-02-03"
    backfilled = release.run_for("extract", day)["dag_run_id"]
    files = files_of(release, dags, day)

    def again(start):
        known = [run["dag_run_id"] for run in release.runs("transform")]
        start()
        run = release.run_for("transform", day, after=known)
        assert (run["state"], run["run_type"]) == ("success", "asset_triggered")
        assert files_of(release, dags, day) == files

    def in_the_ui():
        page = browser(release)
        page.goto(f"/dags/extract/runs/{urllib.parse.quote(backfilled)}")
        page.clear_run()

    path = "/api/v2/dags/extract/dagRuns"
    again(lambda: release.trigger("extract", partition=day, slices=1))
    by_key = {"logical_date": None, "partition_key": day, "conf": {"slices": 1}}
    again(lambda: release.ask("POST", path, by_key))
    again(in_the_ui)
    assert leftovers(release, dags) == []


def test_catch_up(project, release, dags):
    """A DAG that makes up for the days since its start: the same partition keys, the same bytes."""
    days = ["2018-02-02", "2018-02-03"]
    before = [files_of(release, dags, day) for day in days]
    text = (project.folder / "dags" / "extract.py").read_text()
    for old, new in (
        ("extract():", "catch_up():"),
        ("extract()\n", "catch_up()\n"),
        ('"extract"', '"catch_up"'),
        ("catchup=False", "catchup=True"),
        ("datetime(2018, 1, 1", "datetime(2018, 2, 3"),
        ("max_active_runs=4", "max_active_runs=1, end_date=pendulum.datetime(2018, 2, 4, tz='UTC')"),
        ("slices=4", "slices=1"),
    ):
        assert old in text
        text = text.replace(old, new)
    (project.folder / "dags" / "catch_up.py").write_text(text)
    project.push("A DAG that catches up")
    known = [run["dag_run_id"] for run in release.runs("transform")]
    release.unpause("catch_up")
    for day in days:
        assert release.run_for("catch_up", day)["run_type"] == "scheduled"
        assert release.run_for("transform", day, after=known)["state"] == "success"
    assert [files_of(release, dags, day) for day in days] == before
    assert len(release.runs("catch_up")) == len(days)


def test_pushed_changes_become_visible_and_are_used(project, release, measured):
    """A new DAG and a changed one in one push; the wait is that of the generated settings."""
    # `make new-dag`, without the project's own environment.
    run([sys.executable, "-m", "etl_tools.cli", "new-dag", "orders"], cwd=project.folder)
    project.edit("dags/extract.py", "slices=4", "slices=5")
    pushed = project.push("A DAG of orders; five slices a day")
    printed = follow(project, release)
    took = time.monotonic() - pushed
    assert re.findall(r"^(\S) ", printed, re.MULTILINE)[-4:] == ["\N{CHECK MARK}"] * 4, printed
    (listed,) = re.findall(r"the API lists it: (.*) \(budget", printed)
    assert {"extract", "orders", "transform"} <= set(listed.split(", "))
    # It says so when it is so, and not before.
    assert release.dag("extract")["params"]["slices"]["value"] == 5
    assert release.dag("orders")
    measured(f"from git push to a changed and a new DAG in the API (sync period {release.sync.period:.0f} s)", took)

    run_id = release.trigger("extract", partition="2018-02-03")
    assert release.finished("extract", run_id)["state"] == "success"
    fetches = [task for task in release.tasks("extract", run_id) if task["task_id"] == "fetch"]
    assert len(fetches) == 5
    release.run_for("transform", "2018-02-03")


def test_a_broken_dag_leaves_the_others_running(project, release):
    path = project.folder / "dags" / "transform.py"
    whole = path.read_text()
    path.write_text(whole.replace("def transform():", "def transform(:"))
    project.push("Break transform")

    def errors():
        return release.ask("GET", "/api/v2/importErrors")["import_errors"]

    (error,) = release.servers.wait_until("the import error is shown", errors)
    assert error["filename"].endswith("transform.py")
    assert "SyntaxError" in error["stack_trace"]
    run_id = release.trigger("extract", partition=DAY)
    assert release.finished("extract", run_id)["state"] == "success"

    path.write_text(whole)
    project.push("Mend transform")
    release.servers.wait_until("the import error is gone", lambda: not errors())
    run_id = release.trigger("transform", partition=DAY)
    assert release.finished("transform", run_id)["state"] == "success"


def test_from_git_sync_to_bundles_and_back(project, release, tmp_path):
    """As docs/deploy.md says it: the values of the other delivery. No DAG goes, no run is lost."""

    def known():
        return {
            dag["dag_id"]: (dag["is_paused"], [run["dag_run_id"] for run in release.runs(dag["dag_id"])])
            for dag in release.ask("GET", "/api/v2/dags", limit=100)["dags"]
        }

    values = project.folder / "helm" / "values.yaml"
    by_git_sync = values.read_text()
    by_bundle = project.values(tmp_path, dag_delivery="git-dag-bundle")
    head = project.git("rev-parse", "HEAD").strip()
    release.unpause("short")
    for text, bundle, version in ((by_bundle, "quakes", head), (by_git_sync, "dags-folder", None)):
        # A run that has begun, and whose task is still to come.
        release.servers.stop("scheduler")
        in_flight = release.trigger("short")
        before = known()
        values.write_text(text)
        # git-sync is in the same pods.
        release.sync.stop()
        release.redeploy()
        if version is None:
            release.sync.start()

        def moved(bundle=bundle, before=before):
            dags = release.ask("GET", "/api/v2/dags", limit=100)["dags"]
            return {dag["dag_id"] for dag in dags if dag["bundle_name"] == bundle} == before.keys()

        release.servers.wait_until(f"every DAG is in {bundle}", moved)
        # At its first try the old bundle may still be what it asks for.
        assert release.finished("short", in_flight)["state"] == "success"
        ended = release.finished("short", release.trigger("short"))
        assert (ended["state"], ended["bundle_version"]) == ("success", version)
        after = known()
        assert {name: paused for name, (paused, _) in after.items()} == {
            name: paused for name, (paused, _) in before.items()
        }
        assert all(set(after[name][1]) >= set(runs) for name, (_, runs) in before.items())
        assert release.ask("GET", "/api/v2/importErrors")["import_errors"] == []


def test_in_the_browser(release, browser):
    """Log in, list, graphs after green runs, the asset graph: what people see, asserted on text and nodes."""
    page = browser(release)
    page.goto("/dags")
    for dag_id in ("extract", "transform", "orders"):
        page.shows(dag_id)
    page.picture("dags")
    for dag_id, tasks in (("extract", ("plan", "fetch", "publish")), ("transform", ("clean",))):
        run_id = next(run["dag_run_id"] for run in release.runs(dag_id) if run["state"] == "success")
        page.goto(f"/dags/{dag_id}/runs/{urllib.parse.quote(run_id)}")
        page.graph()
        for task_id in tasks:
            page.has_node(task_id)
        page.picture(dag_id)
    (asset,) = [each for each in release.ask("GET", "/api/v2/assets")["assets"] if each["name"] == "earthquakes_raw"]
    page.goto(f"/assets/{asset['id']}")
    for node in ("extract", "earthquakes_raw", "transform"):
        page.has_node(node)
    page.picture("assets")
