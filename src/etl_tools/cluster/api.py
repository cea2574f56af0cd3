"""Airflow's REST API on the cluster: through kubectl's tunnel, as the user admin."""

import contextlib
import json
import os
import re
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator

from etl_tools import answers
from etl_tools.cluster.kubectl import ClusterError, command

SECONDS = 60  # for one request
PAGE = 100  # runs that the server gives at once


class Api:
    """Airflow at `address`; `token` is what its login gave."""

    def __init__(self, address: str, token: str = ""):
        self._address, self._token = address, token

    def ask(self, method: str, path: str, body: dict | None = None, **query):
        """The answer's JSON; ClusterError with the server's words."""
        url = f"{self._address}{path}" + (f"?{urllib.parse.urlencode(query)}" if query else "")
        headers = {"Content-Type": "application/json"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=SECONDS) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as problem:
            raise ClusterError(f"Airflow says {problem.code}: {_words(problem.read())}") from None
        except (urllib.error.URLError, OSError, ValueError) as problem:
            raise ClusterError(f"Airflow's API server does not answer ({problem}): make status") from None

    def runs(self, dag_id: str, **query) -> list[dict]:
        """All runs of the DAG that fit."""
        found: list[dict] = []
        while True:
            some = self.ask("GET", f"/api/v2/dags/{dag_id}/dagRuns", limit=PAGE, offset=len(found), **query)
            found += some["dag_runs"]
            if not some["dag_runs"] or len(found) >= some["total_entries"]:
                return found


def _words(body: bytes) -> str:
    try:
        detail = json.loads(body)["detail"]
    except (ValueError, KeyError, TypeError):
        detail = body.decode(errors="replace")
    return (detail if isinstance(detail, str) else json.dumps(detail))[:300]


def log_in(address: str) -> Api:
    """The API as admin, whose password is in secrets/; with single sign-on, by the token in API_TOKEN."""
    if token := os.environ.get("API_TOKEN"):
        return Api(address, token)
    file = answers.SECRETS / "admin_password"
    if not file.exists():
        raise ClusterError(f"{answers.in_secrets('admin_password')} is not there: make keys-from-cluster")
    login = {"username": "admin", "password": file.read_text(encoding="utf-8").strip()}
    try:
        return Api(address, Api(address).ask("POST", "/auth/token", login)["access_token"])
    except ClusterError as problem:
        words = f"no login with {answers.in_secrets('admin_password')} ({problem})"
        raise ClusterError(f"{words}. With single sign-on, give a token of yours: API_TOKEN=…") from None


@contextlib.contextmanager
def connected() -> Iterator[Api]:
    """The API, logged in, as long as the block lasts."""
    words = [*command("kubectl"), "port-forward", f"service/{answers.RELEASE}-api-server", ":8080"]
    tunnel = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        first = tunnel.stdout.readline() if tunnel.stdout else ""
        if not (port := re.search(r"127\.0\.0\.1:(\d+)", first)):
            raise ClusterError(f"{words[0]} port-forward: {first.strip() or 'no output'}")
        yield log_in(f"http://127.0.0.1:{port[1]}")
    finally:
        tunnel.terminate()
        tunnel.wait()
