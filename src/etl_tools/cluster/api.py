"""Airflow's REST API on the cluster: through kubectl's tunnel, as the user admin."""

import contextlib
import json
import os
import re
import subprocess
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable, Iterator
from typing import IO, Any, cast

from etl_tools import answers
from etl_tools.cluster.helm_values import merged
from etl_tools.cluster.kubectl import ClusterError, command, plain_words

SECONDS = 60  # for one request
PAGE = 100  # runs that the server gives at once
# It ends on this machine, where no proxy of the company is asked.
TUNNEL = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class StuckError(ClusterError):
    """What no waiting changes."""


class Api:
    """Airflow at `address`; `token` is what its login gave."""

    def __init__(self, address: str, token: str = ""):
        self._address, self._token = address, token

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None, **query: object) -> Any:
        """The answer's JSON; ClusterError with the server's words."""
        url = f"{self._address}{path}" + (f"?{urllib.parse.urlencode(query)}" if query else "")
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data, headers, method=method)
        try:
            with TUNNEL.open(request, timeout=SECONDS) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as problem:
            raise ClusterError(f"Airflow says {problem.code}: {_words(problem.read())}") from None
        except (urllib.error.URLError, OSError, ValueError) as problem:
            raise ClusterError(f"Airflow's API server does not answer ({problem}): make status") from None

    def rows(self, path: str, key: str, **query: Any) -> list[dict[str, Any]]:
        """All that a list has, page by page."""
        found: list[dict[str, Any]] = []
        while True:
            some = self.ask("GET", path, limit=PAGE, offset=len(found), **query)
            found += some[key]
            if not some[key] or len(found) >= some["total_entries"]:
                return found


def _words(body: bytes) -> str:
    try:
        detail = json.loads(body)["detail"]
    except (ValueError, KeyError, TypeError):
        detail = body.decode(errors="replace")
    return (detail if isinstance(detail, str) else json.dumps(detail))[:300]


def credentials() -> dict[str, str] | None:
    """Who asks the API: AIRFLOW_USER with AIRFLOW_PASSWORD, or the first user; None without a password."""
    file = answers.SECRETS / "admin_password"
    password = os.environ.get("AIRFLOW_PASSWORD") or (file.read_text("utf-8").strip() if file.exists() else "")
    return {"username": os.environ.get("AIRFLOW_USER", "admin"), "password": password} if password else None


def base_path() -> str:
    """Where on its host the API is, if that is not the root: the path of the values' base_url."""
    base = str(merged().get("config", {}).get("api", {}).get("base_url", ""))
    return urllib.parse.urlsplit(base).path.rstrip("/")


def log_in(address: str) -> Api:
    """The API as admin, whose password is in secrets/; with single sign-on, by the token in API_TOKEN."""
    if token := os.environ.get("API_TOKEN"):
        return Api(address, token)
    if not (login := credentials()):
        words = f"{answers.in_secrets('admin_password')} is not here: make keys-from-cluster, or give"
        raise StuckError(
            f"{words} AIRFLOW_USER=… AIRFLOW_PASSWORD=…, or with single sign-on a token of yours: API_TOKEN=…"
        )
    try:
        return Api(address, Api(address).ask("POST", "/auth/token", login)["access_token"])
    except ClusterError as problem:
        words = f"no login as {login['username']} ({problem})"
        raise ClusterError(f"{words}. With single sign-on, give a token of yours: API_TOKEN=…") from None


def forwarded(printed: Iterable[str]) -> str:
    """Return the port of kubectl's tunnel; a refusal may name another: that of the cluster's own API."""
    said = ""
    for line in printed:
        if port := re.match(r"Forwarding from 127\.0\.0\.1:(\d+)", line):
            return port[1]
        said += line
    raise ClusterError(plain_words("kubectl", said))


@contextlib.contextmanager
def connected() -> Iterator[Api]:
    """The API, logged in, as long as the block lasts."""
    words = [*command("kubectl"), "port-forward", f"service/{answers.RELEASE}-api-server", ":8080"]
    tunnel = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        printed = cast("IO[str]", tunnel.stdout)
        port = forwarded(printed)
        # It says a line for each request, and would stand still once nobody takes them.
        threading.Thread(target=printed.read, daemon=True).start()
        yield log_in(f"http://127.0.0.1:{port}{base_path()}")
    finally:
        tunnel.terminate()
        tunnel.wait()
