"""For the tests of the library, run by a baked project's Python with its DAG folder on the path."""

import http.server
import importlib.util
import os
import tempfile
import threading
from pathlib import Path

import pytest

# Airflow reads these when it is first imported, hence not in a fixture.
_HOME = tempfile.TemporaryDirectory(prefix="airflow-test-")
os.environ.update(
    AIRFLOW_HOME=_HOME.name,
    AIRFLOW__CORE__DAGS_FOLDER=str(Path(importlib.util.find_spec("my_etl").origin).parents[1]),
    AIRFLOW__CORE__LOAD_EXAMPLES="False",
    AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=f"sqlite:///{_HOME.name}/airflow.db",
    ETL_SOURCE="sample",
)


@pytest.fixture
def settings(tmp_path, monkeypatch):
    """Settings with a data root of the test's own."""
    from my_etl.datasets.settings import load

    monkeypatch.setenv("ETL_DATA_ROOT", f"file://{tmp_path}/data")
    return load()


class Server:
    """An HTTP server on loopback that gives the answers it was told to, in turn, the last one for ever."""

    def __init__(self):
        self.answers = []
        self.requests = []
        self.received = []  # headers and body of each
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                outer.requests.append(self.path)
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                outer.received.append((self.headers, body))
                answers = outer.answers
                answer = answers.pop(0) if len(answers) > 1 else answers[0]
                answer(self)

            do_POST = do_GET

            def log_message(self, *arguments):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/query"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def secure(self, tls):
        """Speak TLS from now on."""
        self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)

    def close(self):
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def server():
    server = Server()
    yield server
    server.close()


@pytest.fixture(scope="module")
def new_server():
    """Return a function: → another such server, which is there until the module's last test."""
    servers = []

    def start():
        servers.append(Server())
        return servers[-1]

    yield start
    for server in servers:
        server.close()
