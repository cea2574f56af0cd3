"""make backfill and make rebuild with CLUSTER=yes: by a real API server of Airflow; a thread ends the runs."""

import json
import os
import shutil
import subprocess
import threading
import time
import urllib.request
from datetime import UTC, datetime, timedelta

import pytest

from tests.conftest import clean_environment, run
from tests.etl_tools.cluster import helm_chart
from tests.etl_tools.cluster.cluster import ANSWERS, Cluster
from tests.etl_tools.in_process import evaluate
from tests.servers.ports import free_port

pytestmark = [pytest.mark.airflow, pytest.mark.xdist_group("trigger")]

DAYS = {"FROM": "2018-02-01", "TO": "2018-02-03", "CLUSTER": "yes"}
# DAGs that say the period of their partitions, with schedules of which Airflow makes something else.
OTHERS = """
import pendulum
from airflow.sdk import CronPartitionTimetable, dag, task
from quakes.datasets import tasks

DAYS = {"timezone": "UTC", "run_offset": -1, "key_format": "%Y-%m-%d"}
YEARS = {"start_date": pendulum.datetime(2024, 1, 1, tz="UTC"), "end_date": pendulum.datetime(2025, 1, 1, tz="UTC")}
for name, schedule, more in (
    ("daily", "@daily", {}),
    ("by_hand", None, {}),
    ("weekly", CronPartitionTimetable("0 0 * * 1", **DAYS), {}),
    ("hourly", CronPartitionTimetable("0 * * * *", **DAYS), {}),
    ("of_2024", tasks.every("day", "Europe/Berlin"), YEARS),
    ("of_2025", tasks.every("day", "Europe/Berlin"), YEARS),
):

    @dag(name, schedule=schedule, params=tasks.params(), catchup=False, **more)
    def one():
        @task
        def work(): ...

        work()

    one()
"""
# The runs are looked at more often than a person needs it.
OFTEN = [("cluster.backfill", "SECONDS", 0.5)]


@pytest.fixture(scope="module")
def project(installed):
    return installed(**ANSWERS)


@pytest.fixture(scope="module")
def server(project, tmp_path_factory):
    """The port of an API server that has the project's DAGs."""
    home, port = tmp_path_factory.mktemp("airflow"), free_port()
    shutil.copytree(project / "dags", home / "dags")
    (home / "dags" / "others.py").write_text(OTHERS)
    passwords = home / "passwords.json"
    password = project / "secrets" / "admin_password"
    password.write_text("correct horse")
    passwords.write_text(json.dumps({"admin": password.read_text()}))
    settings = {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": f"{home}/dags",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "True",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "admin:admin",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
        "AIRFLOW__API_AUTH__JWT_SECRET": "0" * 64,
        "ETL_SOURCE": "usgs",  # as helm/values.yaml says: the clock starts no run of a sample
        "PYTHONPATH": f"{home}/dags",
    }
    airflow = project / ".venv/bin/airflow"
    for words in (["db", "migrate"], ["dags", "reserialize"]):
        run([airflow, *words], project, **settings)
    with open(home / "log", "w") as log:
        words = [airflow, "api-server", "--host", "127.0.0.1", "--port", str(port), "--apps", "core"]
        process = subprocess.Popen(words, env=clean_environment() | settings, cwd=home, stdout=log, stderr=log)
    try:
        for _ in range(240):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v2/version", timeout=5).close()
                break
            except OSError:
                assert process.poll() is None, (home / "log").read_text()
                time.sleep(0.5)
        yield port
    finally:
        process.terminate()
        process.wait()


@pytest.fixture
def cluster(project, server, tmp_path):
    cluster = Cluster(project, tmp_path, helm_chart.tools() / "helm")
    cluster["port"] = str(server)
    return cluster


class Ending(threading.Thread):
    """Ends the queued runs of the server, as its scheduler would; `failing` end badly, `leaving` never.

    `deleting`: those that a person deletes.
    """

    def __init__(self, port, failing=(), leaving=(), deleting=()):
        super().__init__(daemon=True)
        self.address, self.failing, self.leaving = f"http://127.0.0.1:{port}", failing, leaving
        self.deleting = deleting
        self.over = False
        login = {"username": "admin", "password": "correct horse"}
        self.token = ""
        self.token = self.ask("POST", "/auth/token", login)["access_token"]

    def ask(self, method, path, body=None):
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self.token}"}
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(
            urllib.request.Request(self.address + path, data, headers, method=method), timeout=60
        ) as answer:
            return json.loads(answer.read() or "null")

    def runs(self, dag_id="~"):
        return self.ask("GET", f"/api/v2/dags/{dag_id}/dagRuns?limit=100&order_by=id")["dag_runs"]

    def run(self):
        before = None
        while not self.over:
            queued = [each for each in self.runs() if each["state"] == "queued"]
            queued = [each for each in queued if each["partition_key"] not in self.leaving]
            # SQLite has one writer: what the server makes of one request comes first.
            for each in queued if queued == before else ():
                state = "failed" if each["partition_key"] in self.failing else "success"
                path = f"/api/v2/dags/{each['dag_id']}/dagRuns/{urllib.request.quote(each['dag_run_id'])}"
                if each["partition_key"] in self.deleting:
                    self.ask("DELETE", path)
                else:
                    self.ask("PATCH", path, {"state": state})
            before = queued
            time.sleep(1)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *problem):
        self.over = True
        self.join()


def test_old_days_by_the_api(cluster, server):
    printed = cluster.make("backfill", expect=2, DAG="extract", **DAYS)
    assert "nothing was started: the DAG extract is paused" in printed
    assert "UNPAUSE=yes" in printed
    with Ending(server, failing=["2018-02-02"]) as api:
        printed = cluster.make("backfill", expect=2, DAG="extract", UNPAUSE="yes", constants=OFTEN, **DAYS)
        assert "2 of 3 done, 1 failed, 0 running" in printed
        assert "make backfill: 1 of 3 failed: 2018-02-02. Airflow's UI has their logs: make ui-forward" in printed
        backfills = [each for each in api.runs("extract") if each["run_type"] == "backfill"]
        assert [each["partition_key"] for each in backfills] == ["2018-02-01", "2018-02-02", "2018-02-03"]
        api.failing = ()
        # The scheduler calls it over within half a minute.
        assert "already a running backfill" in cluster.make("backfill", expect=2, DAG="extract", **DAYS)
        (backfill,) = api.ask("GET", "/api/v2/backfills?dag_id=extract")["backfills"]
        api.ask("PUT", f"/api/v2/backfills/{backfill['id']}/cancel")
        printed = cluster.make("backfill", DAG="extract", constants=OFTEN, **DAYS)
        assert "2 of 3 are there already (make rebuild makes them again)." in printed
        assert "1 of 1 done, 0 failed, 0 running" in printed


def test_a_day_is_there_only_if_airflow_has_a_run_of_it(cluster, server):
    """What Airflow does not plan may be there, may be on its way, or may never come."""
    api, days = Ending(server), DAYS | {"UNPAUSE": "yes"}
    for dag, words in {
        "daily": "the schedule of daily (0 0 * * *) has no partitions",
        "by_hand": "the schedule of by_hand (None) has no partitions",
        "weekly": "2018-02-03 Airflow would run none, as the schedule of weekly (0 0 * * 1) says",
        "hourly": "Airflow would run 2018-02-01, 2018-02-01, 2018-02-01, as the schedule of hourly (0 * * * *)",
    }.items():
        printed = cluster.make("backfill", expect=2, DAG=dag, **days)
        assert words in printed
        assert "there already" not in printed
        assert not api.runs(dag)
    # One day of the three is there, and one is on its way.
    for key, state in (("2018-02-02", "success"), ("2018-02-03", "queued")):
        path = "/api/v2/dags/of_2024/dagRuns"
        run_id = api.ask("POST", path, {"logical_date": None, "partition_key": key})["dag_run_id"]
        if state != "queued":
            api.ask("PATCH", f"{path}/{urllib.request.quote(run_id)}", {"state": state})
    with Ending(server, leaving=["2018-02-03"]):
        printed = cluster.make("backfill", DAG="of_2024", **days)
    assert "1 of 3 are there already (make rebuild makes them again)." in printed
    assert "1 of 3 have a run that is not over yet" in printed
    assert "1 of 1 done, 0 failed, 0 running" in printed


def test_a_day_that_is_not_over_is_not_begun(cluster, server):
    """Airflow would take it, and its run would wait until it begins."""
    today = datetime.now(UTC)
    days = DAYS | {"FROM": f"{today - timedelta(days=3):%Y-%m-%d}", "TO": f"{today + timedelta(days=3):%Y-%m-%d}"}
    for dag in ("extract", "of_2024"):
        before = Ending(server).runs(dag)
        assert "is not over yet. Choose an earlier TO" in cluster.make(
            "backfill", expect=2, DAG=dag, UNPAUSE="yes", **days
        )
        assert Ending(server).runs(dag) == before


def test_days_are_made_again_by_the_api(cluster, server):
    with Ending(server, failing=["2018-02-03"]) as api:
        printed = cluster.make("backfill", expect=2, DAG="transform", UNPAUSE="yes", **DAYS)
        assert "transform runs when others have: make rebuild DAG=transform" in printed
        for _ in range(2):
            printed = cluster.make("rebuild", expect=2, UNPAUSE="yes", constants=OFTEN, **DAYS)
            assert "2 of 3 done, 1 failed, 0 running" in printed
            assert "make rebuild: 1 of 3 failed: 2018-02-03." in printed
        assert [each["partition_key"] for each in api.runs("transform")] == 2 * [f"2018-02-0{n}" for n in (1, 2, 3)]


def test_what_only_fetches_is_not_made_again(cluster, server):
    """It would ask the source again, and replace what is kept: in the words of make rebuild on a laptop."""
    before = Ending(server).runs("extract")
    printed = cluster.make("rebuild", expect=2, DAG="extract", UNPAUSE="yes", **DAYS)
    assert "make rebuild: extract fetches, and what is kept would be replaced: rebuild the DAG that tr" in printed
    assert Ending(server).runs("extract") == before


@pytest.mark.parametrize(("what", "dag", "gone"), [("rebuild", "transform", 1), ("backfill", "of_2025", 3)])
def test_runs_that_somebody_deletes_are_not_waited_for(cluster, server, what, dag, gone):
    """One of three while the others end, and all of them."""
    deleted = ["2018-02-01", "2018-02-02", "2018-02-03"][:gone]
    days = {"DAG": dag, "UNPAUSE": "yes", "constants": OFTEN, **DAYS}
    with Ending(server, failing=["2018-02-02"], deleting=deleted):
        printed = cluster.make(what, expect=2, **days)
    assert f"{gone} of 3 have no run any more: {', '.join(deleted)}." in printed
    assert ("make rebuild: 1 of 3 failed: 2018-02-02." in printed) == (gone == 1)


def test_make_follow_asks_by_the_same_way(cluster, project):
    """The lists and a source, as a real API server gives them."""

    def asked(arrival):
        airflow, text = arrival.Airflow(), (project / "dags" / "extract.py").read_text()
        airflow.ask(with_sources=True)
        return {dag["dag_id"] for dag in airflow.dags}, airflow.errors, airflow.sources, arrival.digest(text)

    dags, errors, sources, digest = evaluate(project, "cluster.arrival", asked, **cluster.environment)
    assert {"extract", "transform"} <= dags
    assert errors == []
    assert sources.keys() == dags
    assert sources["extract"] == digest


def test_what_cannot_be_begun_is_one_line(cluster, project):
    """No DAG, no days, the wrong password, no tunnel."""
    assert "which days of which DAG?" in cluster.make("backfill", expect=2, CLUSTER="yes")
    assert "Airflow says 404" in cluster.make("backfill", expect=2, DAG="nope", **DAYS)
    backward = DAYS | {"FROM": "2018-03"}
    assert "FROM=2018-03 is after TO=2018-02-03" in cluster.make("rebuild", expect=2, UNPAUSE="yes", **backward)
    password = project / "secrets" / "admin_password"
    right = password.read_text()
    try:
        password.write_text("wrong")
        printed = cluster.make("backfill", expect=2, DAG="extract", **DAYS)
        assert "no login as admin (Airflow says 401" in printed
        assert "API_TOKEN=" in printed
    finally:
        password.write_text(right)
    # Another person, by a company's proxy that is not for this machine.
    other = {"AIRFLOW_USER": "eve", "AIRFLOW_PASSWORD": "x", "http_proxy": "http://127.0.0.1:9"}
    printed = cluster.make("backfill", expect=2, DAG="extract", **DAYS, **other)
    assert "no login as eve (Airflow says 401" in printed
    os.remove(cluster.state / "port")
    assert "make backfill: " in cluster.make("backfill", expect=2, DAG="extract", **DAYS)
