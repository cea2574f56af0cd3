"""make trigger against a real Airflow API server, reached as a port-forward would reach it."""

import json
import os
import secrets
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

import pytest

from tests.cluster import helm_chart
from tests.cluster.test_deploy import ANSWERS, Cluster
from tests.conftest import clean_environment, run

pytestmark = [pytest.mark.airflow, pytest.mark.servers]


@pytest.fixture(scope="module")
def project(installed):
    return installed(**ANSWERS)


@pytest.fixture(scope="module")
def port(project, tmp_path_factory):
    """Start Airflow's API server on a free port, with the project's DAGs in its database; return the port."""
    home = tmp_path_factory.mktemp("airflow")
    passwords = home / "passwords.json"
    passwords.write_text(json.dumps({"admin": (project / "secrets" / "admin_password").read_text()}))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        number = free.getsockname()[1]
    settings = {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(project / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "admin:admin",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(64),
        "ETL_DATA_ROOT": f"file://{home}/data",
    }
    airflow = project / ".venv" / "bin" / "airflow"
    run([airflow, "db", "migrate"], cwd=home, **settings)
    run([airflow, "dags", "reserialize"], cwd=home, **settings)
    log = (home / "log").open("w+")
    command = [airflow, "api-server", "--host", "127.0.0.1", "--port", str(number)]
    server = subprocess.Popen(
        command, env=clean_environment() | settings, stdout=log, stderr=log, start_new_session=True
    )
    try:
        wait_for(f"http://127.0.0.1:{number}/api/v2/version", server, home / "log")
        yield number
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait()


def wait_for(url, server, log):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for _ in range(600):
        assert server.poll() is None, log.read_text()
        try:
            return opener.open(url, timeout=5).close()
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    raise AssertionError(log.read_text())


@pytest.fixture
def cluster(project, port, tmp_path):
    stand_in = Cluster(project, tmp_path, helm_chart.tools() / "helm")
    stand_in["port"] = str(port)
    return stand_in


def test_a_run_is_started_with_what_it_was_given(cluster):
    printed = cluster.make("trigger", DAG="extract", CONF='{"partition": "2018-02-01"}')
    first, second = printed.splitlines()
    assert first.startswith("manual__")
    assert first.endswith(": queued")
    assert second == "extract is paused: the run waits until it is switched on in the UI"
    (forward,) = [call for call in cluster.calls("kubectl") if call[0] == "port-forward"]
    assert forward[1:3] == ["service/airflow-api-server", ":8080"]


def test_the_address_of_an_ingress_needs_no_port_forward(cluster, port):
    assert "queued" in cluster.make("trigger", DAG="extract", AIRFLOW_URL=f"http://127.0.0.1:{port}/")
    assert cluster.calls("kubectl") == []


@pytest.mark.parametrize(
    ("words", "environment"),
    [
        ("Airflow has no DAG nope; it has: extract, transform", {"DAG": "nope"}),
        ("the server says 400: Invalid input for param partition", {"DAG": "extract", "CONF": '{"partition": 5}'}),
        ("the server does not know admin by this password", {"DAG": "extract", "AIRFLOW_PASSWORD": "wrong"}),
        ("CONF must be a JSON object", {"DAG": "extract", "CONF": "[1]"}),
        ("CONF is not JSON", {"DAG": "extract", "CONF": "{partition: 1}"}),
        ("which one? make trigger DAG=extract", {}),
        ("refused", {"DAG": "extract", "AIRFLOW_URL": "http://127.0.0.1:1"}),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else "",
)
def test_what_cannot_be_started_gets_one_line(cluster, words, environment):
    lines = [line for line in cluster.make("trigger", expect=2, **environment).splitlines() if words in line]
    assert len(lines) == 1
    assert lines[0].startswith("make trigger: ")
