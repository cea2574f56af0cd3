"""The other way through: GitDagBundle, Redis and two Celery workers, data in S3; a worker that is killed at work."""

import json
import re
import shutil
import statistics
import subprocess
import sys
import time
import urllib.parse
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from tests.conftest import TEMPLATE, make_command, run
from tests.e2e.conftest import PushedProject, expected_counts, follow, leftovers, read_clean
from tests.e2e.installation import IMAGE
from tests.e2e.object_store import ObjectStore

pytestmark = pytest.mark.e2e
DAY, OTHER_DAY = "2018-02-02", "2018-02-03"
# DAG files of another team, in the same Airflow.
SECOND_TEAM = Path(__file__).with_name("second_team")
# Reads a day until standard input ends, and prints the numbers of rows that it saw.
READER = """
import json, select, sys
from quakes.datasets import read
seen, reads = set(), 0
print("reading", flush=True)
while not select.select([sys.stdin], [], [], 0)[0]:
    seen.add(len(read("earthquakes", sys.argv[1])))
    reads += 1
print(json.dumps({"seen": sorted(seen), "reads": reads}))
"""


@pytest.fixture(scope="module")
def store(workspace, servers):
    return ObjectStore(workspace / "s3", servers).start("quakes")


@pytest.fixture(scope="module")
def project(push_project):
    return push_project(
        executor="CeleryExecutor",
        git_access="ssh-deploy-key",
        dag_delivery="git-dag-bundle",
        data_root="s3://quakes/etl",
    )


@pytest.fixture(scope="module")
def events(project, event_service):
    """The service: the sample days, and one of them again on each of the last ten days."""
    service, today = event_service(project.folder), datetime.now(UTC).date()
    rows = [row for row in service.rows if row.startswith(DAY.encode())]
    for days in range(10):
        again = (today - timedelta(days)).isoformat().encode()
        service.rows += [again + row.removeprefix(DAY.encode()) for row in rows]
    return service


@pytest.fixture(scope="module")
def second(workspace, servers):
    """Another team's repository, on a git server of its own: DAGs with a prefix, a package of its name."""
    folder = workspace / "second"
    folder.mkdir(mode=0o711)
    answers = {"git_access": "ssh-deploy-key", "dag_delivery": "git-dag-bundle", "executor": "CeleryExecutor"}
    second = PushedProject(folder, servers, project_slug="weather", **answers)
    run([sys.executable, "-m", "etl_tools.cli", "remove-example", "--yes"], cwd=second.folder)
    for path in SECOND_TEAM.glob("*.py"):
        shutil.copy(path, second.folder / "dags")
    pyproject = second.folder / "pyproject.toml"
    ours = '[tool.dag-integrity]\ndag-id-pattern = "weather_{file}"\n'
    text = pyproject.read_text().replace("[tool.dag-integrity]\n", ours)
    pyproject.write_text(text.replace('pools = ["default_pool"]', 'pools = ["weather"]'))
    second.push("Forecast and report")
    return second


def joined(project, second, root):
    """Add the second team's bundle as `make bundle` prints it; return what the pods need in their environment."""
    printed = run([*make_command(), "bundle"], cwd=second.folder)
    (entry,) = yaml.safe_load(printed)["dagProcessor"]["dagBundleConfigList"]
    path = project.folder / "helm" / "values.yaml"
    values = yaml.safe_load(path.read_text())
    values["dagProcessor"]["dagBundleConfigList"].append(entry)
    path.write_text(yaml.safe_dump(values))
    # The volume of the Secret that it names.
    (mount,) = yaml.safe_load(printed)["dagProcessor"]["extraVolumeMounts"]
    place = root / mount["mountPath"].lstrip("/")
    place.mkdir(parents=True)
    for name, file in {"gitSshKey": "secrets/deploy_key", "known_hosts": "helm/known_hosts"}.items():
        shutil.copy(second.folder / file, place / name)
    (connection,) = re.findall(r"^# (AIRFLOW_CONN_\S+?)=(.*)$", printed, re.MULTILINE)
    return {connection[0]: connection[1].replace(mount["mountPath"], str(place))}


@pytest.fixture(scope="module")
def release(project, second, store, events, install, measured, workspace):
    variables = "".join(f"{name}={value}\n" for name, value in store.environment.items())
    (project.folder / "secrets" / "connections.env").write_text(variables)
    release = install(
        project.folder,
        ETL_SOURCE=events.url,
        AIRFLOW_CONN_WEATHER_API='{"conn_type": "http", "host": "weather.example.com"}',
        **joined(project, second, workspace),
        # A dead worker's tasks are given up after 300 s otherwise, and the retry comes a minute later.
        AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT="20",
        AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL="5",
        AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_SEC="5",
    )
    release.start(workers=2)
    measured("PostgreSQL, Redis and Airflow with two Celery workers healthy", release.timings["healthy after"])
    release.unpause("extract", "transform")
    # The schedule's newest day first: the tests count who is at work.
    release.first_run_ended()
    return release


@pytest.fixture(scope="module")
def dags(project):
    return project.folder / "dags"


def test_the_scheduled_run_fetches_the_day_a_week_before_again_and_transform_runs_for_both(project, release):
    """What the scheduler does by itself, for the day that ended last: nobody has started a run so far."""
    expected = expected_counts(project.folder, DAY)
    (scheduled,) = release.runs("extract")
    assert (scheduled["run_type"], scheduled["state"]) == ("scheduled", "success")
    last = date.fromisoformat(scheduled["partition_key"])
    for day in (last.isoformat(), (last - timedelta(days=7)).isoformat()):
        transform = release.run_for("transform", day)
        assert (transform["run_type"], transform["state"]) == ("asset_triggered", "success")
        counts = release.result("transform", transform["dag_run_id"], day)
        assert (counts["read"], counts["clean"]) == (expected["rows"], expected["clean"])
    assert len(release.runs("transform")) == 2


def test_mapped_slices_run_on_both_workers(project, release, events, dags):
    """While the service keeps everybody waiting, eight slices fill both workers, four processes each."""
    events.gate.clear()
    try:
        run_id = release.trigger("extract", partition=DAY, slices=8)
        for number in range(8):
            found = release.servers.wait_until(
                f"slice {number + 1} is being fetched", lambda: events.waiting.acquire(blocking=False)
            )
            assert found
        for worker in ("worker-1", "worker-2"):
            log = (release.servers.folder / f"{worker}.log").read_text()
            taken = re.findall(rf"Executing workload .*run_id={re.escape(run_id)}/task_id=fetch/map_index=(\d+)", log)
            assert len(taken) == 4, f"{worker} took {taken}"
    finally:
        events.gate.set()
    assert release.finished("extract", run_id)["state"] == "success"
    transform = release.run_for("transform", DAY)
    assert transform["state"] == "success"
    expected = expected_counts(project.folder, DAY)
    assert release.result("transform", transform["dag_run_id"], DAY)["clean"] == expected["clean"]
    assert read_clean(release, dags, DAY)["rows"] == expected["clean"]
    assert leftovers(release, dags) == []


def test_what_a_mapped_task_costs(release, measured):
    """24 slices of a day that is quickly fetched: nearly all of their time is Airflow's own."""
    known = [run["dag_run_id"] for run in release.runs("transform")]
    run_id = release.trigger("extract", partition=DAY, slices=24)
    assert release.finished("extract", run_id)["state"] == "success"
    fetches = [task for task in release.tasks("extract", run_id) if task["task_id"] == "fetch"]
    assert len(fetches) == 24
    first, last = (
        datetime.fromisoformat(pick(task[moment] for task in fetches))
        for pick, moment in ((min, "scheduled_when"), (max, "end_date"))
    )
    measured("a mapped task, 24 slices on two Celery workers, per slice", (last - first).total_seconds() / 24)
    assert release.run_for("transform", DAY, after=known)["state"] == "success"


def test_a_day_from_trigger_to_clean(release, measured):
    """Extract in its four slices, then transform, as a person waits for it: the median of five."""
    took = []
    for _ in range(5):
        known = [run["dag_run_id"] for run in release.runs("transform")]
        began = time.monotonic()
        run_id = release.trigger("extract", partition=DAY)
        assert release.finished("extract", run_id)["state"] == "success"
        assert release.run_for("transform", DAY, after=known)["state"] == "success"
        took.append(time.monotonic() - began)
    measured("a day from trigger to clean, two Celery workers, data in S3", statistics.median(took))


def test_readers_see_the_whole_day_while_it_is_replaced(project, release, dags):
    """Reruns with other slices replace every file in the bucket; a reader never sees less than the day, nor more."""
    environment = release.environment | {"PYTHONPATH": str(dags)}
    reader = subprocess.Popen(
        [IMAGE / "bin" / "python", "-c", READER, DAY],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert reader.stdout.readline() == "reading\n"
    try:
        for slices in (3, 5):
            known = [run["dag_run_id"] for run in release.runs("transform")]
            run_id = release.trigger("extract", partition=DAY, slices=slices)
            assert release.finished("extract", run_id)["state"] == "success"
            assert release.run_for("transform", DAY, after=known)["state"] == "success"
    finally:
        said, _ = reader.communicate("stop\n", timeout=60)
    assert reader.returncode == 0
    numbers = json.loads(said.splitlines()[-1])
    assert numbers["seen"] == [expected_counts(project.folder, DAY)["clean"]]
    assert numbers["reads"] > 10
    assert leftovers(release, dags) == []


def test_a_killed_worker_loses_and_doubles_nothing(project, release, events, dags):
    """A worker dies in the middle of its slices; the others' slices stay, its own are fetched again by who is left."""
    events.gate.clear()
    try:
        run_id = release.trigger("extract", partition=OTHER_DAY, slices=8)
        for _ in range(8):
            release.servers.wait_until("slices are fetched", lambda: events.waiting.acquire(blocking=False))
        release.servers.kill("worker-1")
    finally:
        events.gate.set()
    assert release.finished("extract", run_id, 400)["state"] == "success"
    tries = [task["try_number"] for task in release.tasks("extract", run_id) if task["task_id"] == "fetch"]
    assert sorted(tries) == [1, 1, 1, 1, 2, 2, 2, 2]
    assert release.run_for("transform", OTHER_DAY)["state"] == "success"
    expected = expected_counts(project.folder, OTHER_DAY)
    assert release.result("extract", run_id, OTHER_DAY)["files"] == 8
    clean = read_clean(release, dags, OTHER_DAY)
    assert clean["rows"] == len(set(clean["ids"])) == expected["clean"]
    assert leftovers(release, dags) == []


def test_a_run_keeps_its_commit_and_the_next_takes_the_new_one(project, release, events, measured):
    first = project.git("rev-parse", "HEAD").strip()
    events.gate.clear()
    try:
        in_flight = release.trigger("extract", partition=DAY, slices=2)
        release.servers.wait_until("a slice is fetched", lambda: events.waiting.acquire(blocking=False))
        project.edit("dags/extract.py", "slices=4", "slices=6")
        pushed = project.push("Six slices a day")
        second = project.git("rev-parse", "HEAD").strip()
        printed = follow(project, release)
        assert "the API lists it: extract, transform" in printed
        assert release.dag("extract")["params"]["slices"]["value"] == 6
        measured("from git push to the changed DAG in the API (GitDagBundle)", time.monotonic() - pushed)
    finally:
        events.gate.set()
    assert release.finished("extract", in_flight)["bundle_version"] == first
    following = release.trigger("extract", partition=DAY)
    ended = release.finished("extract", following)
    assert (ended["state"], ended["bundle_version"]) == ("success", second)
    assert len([task for task in release.tasks("extract", following) if task["task_id"] == "fetch"]) == 6


def test_two_teams_in_one_airflow(project, second, release):
    """As docs/environments.md says it: a bundle each; DAGs, assets, connections and pools by a prefix."""
    in_bundle = {}
    for dag in release.ask("GET", "/api/v2/dags", limit=100)["dags"]:
        in_bundle.setdefault(dag["bundle_name"], set()).add(dag["dag_id"])
    assert in_bundle == {"quakes": {"extract", "transform"}, "weather": {"weather_forecast", "weather_report"}}
    release.ask("POST", "/api/v2/pools", {"name": "weather", "slots": 1})
    release.unpause("weather_forecast", "weather_report")
    others = [run["dag_run_id"] for run in release.runs("extract")]

    run_id = release.trigger("weather_forecast")
    ended = release.finished("weather_forecast", run_id)
    head = second.git("rev-parse", "HEAD").strip()
    assert (ended["state"], ended["bundle_version"]) == ("success", head)
    (task,) = release.tasks("weather_forecast", run_id)
    assert task["pool"] == "weather"
    path = f"/api/v2/dags/weather_forecast/dagRuns/{run_id}/taskInstances/ask/xcomEntries/return_value"
    result = release.ask("GET", path, deserialize="true")["value"]
    assert result["host"] == "weather.example.com"
    assert f"/weather/versions/{head}/dags/weather/" in result["package"]

    def reported():
        return [each for each in release.runs("weather_report") if each["state"] == "success"]

    def started_by(run):
        path = f"/api/v2/dags/{run['dag_id']}/dagRuns/{urllib.parse.quote(run['dag_run_id'])}/upstreamAssetEvents"
        return {event["source_dag_id"] for event in release.ask("GET", path)["asset_events"]}

    (report,) = release.servers.wait_until("the second team's own asset starts its report", reported)
    assert started_by(report) == {"weather_forecast"}
    # Of all this the first team has nothing, and what the second pushes moves the first one's commit nowhere.
    assert [run["dag_run_id"] for run in release.runs("extract")] == others
    newest = release.runs("transform")[:3]
    assert {source for run in newest for source in started_by(run)} <= {"extract"}
    (second.folder / "README.md").write_text("Another page.\n")
    second.push("A page")
    pushed = second.git("rev-parse", "HEAD").strip()

    def versions():
        dags = release.ask("GET", "/api/v2/dags", limit=100)["dags"]
        return {dag["bundle_version"] for dag in dags if dag["bundle_name"] == "weather"} == {pushed}

    release.servers.wait_until("the second team's push has arrived", versions)
    assert release.dag("extract")["bundle_version"] == project.git("rev-parse", "HEAD").strip()


def test_wrong_credentials_are_one_clear_line(project, store):
    """`make run` on the bucket, with another secret key."""
    environment = store.environment | {"AWS_SECRET_ACCESS_KEY": "not-the-right-one", "ETL_DATA_ROOT": "s3://quakes/etl"}
    command = [IMAGE / "bin" / "python", "-m", "etl_tools.cli", "run", "--date", DAY]
    said = run(
        command, cwd=project.folder, expect=1, PYTHONPATH=str(TEMPLATE / "src"), ETL_SOURCE="sample", **environment
    )
    line, other = [line for line in said.splitlines() if line.startswith("make run:")]
    assert "did not run: extract failed before it" in other
    assert "s3://quakes/etl refuses access" in line
    assert "signature" in line
    assert "Traceback" not in said


def test_logs_of_tasks_are_in_the_bucket(release):
    """As the values say; the API reads them from there."""
    run_id = next(run["dag_run_id"] for run in release.runs("extract") if run["state"] == "success")
    assert "published raw" in release.log("extract", run_id, "publish")
