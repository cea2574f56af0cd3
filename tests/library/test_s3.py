"""The generated ETL on a real S3 server, with right and wrong credentials, and when it answers 503 now and then."""

import http.client
import http.server
import json
import threading

import pytest

from tests.conftest import run
from tests.library.test_library import HERE, pytest_in
from tests.servers.s3_server import SECRET, connection, make_bucket_script, s3_server

pytestmark = [pytest.mark.airflow, pytest.mark.servers, pytest.mark.xdist_group("s3")]

SCRIPT = HERE / "on_s3.py"


@pytest.fixture(scope="module")
def s3(tmp_path_factory):
    """The address of an S3 server."""
    with s3_server(tmp_path_factory.mktemp("s3")) as address:
        yield address


@pytest.fixture(scope="module")
def day_on(installed, tmp_path_factory):
    """Return a function: address, bucket, secret → what on_s3.py prints."""
    project = installed(data_root="s3://etl/data")

    def day(address, bucket, secret=SECRET, expect=0):
        home = tmp_path_factory.mktemp("home")
        variables = {
            "AIRFLOW_HOME": str(home),
            "AIRFLOW_CONN_STORE": connection(address, secret),
            "PYTHONPATH": "dags",
        }
        run([".venv/bin/python", "-c", make_bucket_script(address, bucket)], project)
        command = [".venv/bin/python", SCRIPT, f"s3://store@{bucket}/data"]
        return run(command, project, expect=expect, **variables)

    return day


def lines_of(printed):
    return [json.loads(line) for line in printed.splitlines() if line.startswith("{")]


def check(printed):
    """One file in each folder, and two slices and their manifest.

    Of two runs at once at least one is done, and the day is always whole.
    """
    day, *together = lines_of(printed)
    assert day["events"] == day["counts"]["clean"] == 224
    folders = [path.split("/")[0] for path in day["files"]]
    assert folders == ["clean", "raw", "raw", "raw", "rejected", "set_apart"]
    for runs in together:
        assert "done" in runs["said"]
        assert all(said == "done" or "another run has fetched it since" in said for said in runs["said"])
        assert runs["seen"] == [runs["after"]] == [224]
    return day


def test_a_day_and_two_runs_of_it_at_once(s3, day_on):
    check(day_on(s3, "plain"))


def test_the_other_sources(s3, installed, tmp_path):
    """A paginated API and a folder of files, each with its own DAG, as on a disk."""
    project = installed(data_root="s3://etl/data")
    python = f"{project}/.venv/bin/python"
    run([python, "-c", make_bucket_script(s3, "sources")], project)
    variables = {"AIRFLOW_CONN_STORE": connection(s3), "TEST_DATA_ROOT": "s3://store@sources"}
    # What starts which DAG does not depend on where the data is.
    which = ("-k", "paginated or folder")
    pytest_in(python, f"{project}/dags:{HERE}", "test_sources.py", tmp_path, *which, **variables)


def test_wrong_credentials_fail(s3, day_on):
    printed = day_on(s3, "locked", secret="wrong", expect=1)
    assert "SignatureDoesNotMatch" in printed or "PermissionError" in printed or "Forbidden" in printed


def test_a_server_that_answers_503_now_and_then(s3, day_on):
    """The same files as without trouble: every request that failed was made again."""
    target = s3.removeprefix("http://")
    seen = []

    class Flaky(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def forward(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if "chunked" in self.headers.get("Transfer-Encoding", ""):
                while size := int(self.rfile.readline().split(b";")[0], 16):
                    body += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
                del self.headers["Transfer-Encoding"]
                self.headers["Content-Length"] = str(len(body))
            seen.append(self.path)
            if len(seen) % 5 == 0:
                self.send_response(503)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            connection = http.client.HTTPConnection(target, timeout=60)
            connection.request(self.command, self.path, body=body, headers=dict(self.headers))
            answer = connection.getresponse()
            content = answer.read()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in ("transfer-encoding", "connection", "content-length"):
                    self.send_header(name, value)
            length = answer.getheader("Content-Length") if self.command == "HEAD" else len(content)
            self.send_header("Content-Length", str(length or 0))
            self.end_headers()
            self.wfile.write(content)
            connection.close()

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = forward

        def log_message(self, *arguments):
            pass

    proxy = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Flaky)
    threading.Thread(target=proxy.serve_forever, args=(0.01,), daemon=True).start()
    try:
        calm = check(day_on(s3, "calm"))
        flaky = check(day_on(f"http://127.0.0.1:{proxy.server_port}", "flaky"))
    finally:
        proxy.shutdown()
        proxy.server_close()
    assert len(seen) >= 20
    assert flaky == calm
