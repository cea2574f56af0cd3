"""For the tests of docs/, run by a Python that has what the pages use; PYTHONPATH has their DAG folder."""

import json
import os
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

import pytest

# Airflow reads these when it is first imported, hence not in a fixture.
_HOME = tempfile.TemporaryDirectory(prefix="airflow-test-")
os.environ.update(
    AIRFLOW_HOME=_HOME.name,
    AIRFLOW__CORE__DAGS_FOLDER=os.environ["PYTHONPATH"],
    AIRFLOW__CORE__LOAD_EXAMPLES="False",
    AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=f"sqlite:///{_HOME.name}/airflow.db",
)


@pytest.fixture
def data(tmp_path, monkeypatch):
    """An empty data root of the test's own."""
    monkeypatch.setenv("ETL_DATA_ROOT", f"file://{tmp_path}/data")
    return tmp_path / "data"


@pytest.fixture
def serve():
    """Return a function: what answers (query, headers) with a status, JSON and headers → the URL of such a server."""
    servers = []

    def start(answer):
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                query = dict(parse_qsl(urlsplit(self.path).query))
                status, content, *more = answer(query, self.headers)
                body = json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                for name, value in dict(*more).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments):
                pass

        servers.append(ThreadingHTTPServer(("127.0.0.1", 0), Handler))
        threading.Thread(target=servers[-1].serve_forever, args=(0.01,), daemon=True).start()
        return f"http://127.0.0.1:{servers[-1].server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def run(data):
    """Return a function: a dataset, a day → the counts of the day, after both of its tasks."""
    from my_etl.datasets import steps
    from my_etl.datasets.settings import load

    def both(dataset, day):
        settings = load()
        files = [steps.fetch(dataset, part, settings) for part in steps.plan(dataset, [day], 1)]
        steps.publish(dataset, files, settings)
        return steps.transform(dataset, day, settings)

    return both
