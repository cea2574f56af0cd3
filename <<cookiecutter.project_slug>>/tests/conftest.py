"""What all tests share. Airflow's state and all data of a test run lie in temporary folders."""

import dataclasses
import http.server
import os
import tempfile
import threading
from pathlib import Path

import pytest

DAGS = Path(__file__).resolve().parent.parent / "<< cookiecutter.dags_subpath >>"

# Airflow reads these when it is first imported, hence not in a fixture.
_HOME = tempfile.TemporaryDirectory(prefix="airflow-test-")
os.environ.update(
    AIRFLOW_HOME=_HOME.name,
    AIRFLOW__CORE__DAGS_FOLDER=str(DAGS),
    AIRFLOW__CORE__LOAD_EXAMPLES="False",
    AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=f"sqlite:///{_HOME.name}/airflow.db",
    ETL_DATA_ROOT=f"file://{_HOME.name}/data",
    ETL_SOURCE="sample",
)


@pytest.fixture
def settings(tmp_path):
    """The project's settings, with a data root of the test's own."""
    from << cookiecutter.__package >>.settings import load

    return dataclasses.replace(load(), data_root=f"file://{tmp_path}/data")


@pytest.fixture(scope="session")
def dags():
    """The DAGs by id, from an Airflow with a migrated database."""
    from airflow.dag_processing.dagbag import DagBag
    from airflow.utils.db import initdb

    initdb()
    return DagBag(str(DAGS)).dags


class Server:
    """An HTTP server on loopback that gives the answers it was told to, in turn, the last one for ever."""

    def __init__(self):
        self.answers = []
        self.requests = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                outer.requests.append(self.path)
                answers = outer.answers
                answer = answers.pop(0) if len(answers) > 1 else answers[0]
                answer(self)

            def log_message(self, *arguments):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/query"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

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
