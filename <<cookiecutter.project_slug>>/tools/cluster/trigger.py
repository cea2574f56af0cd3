"""Start a DAG run from outside, over Airflow's REST API.

    make trigger DAG=extract CONF='{"partition": "2018-02-01"}'

Reaches the API through a port-forward of its own, or at AIRFLOW_URL. The user is admin, or AIRFLOW_USER with
AIRFLOW_PASSWORD.
"""

import contextlib
import json
import os
import re
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator

from tools import answers
from tools.cluster.kubectl import ClusterError, kubectl_command, plain_words

# Straight to the server: a proxy would not find localhost.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def call(url: str, content: dict | None = None, token: str | None = None) -> dict:
    """POST content as JSON, or GET without any, and return the answer."""
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    body = None if content is None else json.dumps(content).encode()
    # The address is the cluster's or the caller's own.
    request = urllib.request.Request(url, body, headers)  # noqa: S310
    with OPENER.open(request, timeout=30) as answer:
        return json.load(answer)


def words(error: urllib.error.HTTPError) -> str:
    """Return what the server said, in a line."""
    text = error.read().decode(errors="replace")
    with contextlib.suppress(ValueError):
        detail = json.loads(text)["detail"]
        text = detail if isinstance(detail, str) else "; ".join(item.get("msg", str(item)) for item in detail)
    return f"the server says {error.code}: {' '.join(text.split())[:500]}"


@contextlib.contextmanager
def api_server() -> Iterator[str]:
    """The API server's address, at a free port of this machine if AIRFLOW_URL does not name one."""
    if os.environ.get("AIRFLOW_URL"):
        yield os.environ["AIRFLOW_URL"].rstrip("/")
        return
    service = f"service/{answers.RELEASE}-api-server"
    command = [*kubectl_command(), "--namespace", answers.NAMESPACE, "port-forward", service, ":8080"]
    try:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    except FileNotFoundError:
        raise ClusterError(f"{command[0]} is not on PATH") from None
    try:
        found = re.search(r"127\.0\.0\.1:(\d+)", process.stdout.readline())
        if not found:
            raise ClusterError(plain_words(command[0], process.stderr.read()))
        yield f"http://127.0.0.1:{found[1]}"
    finally:
        process.terminate()
        process.wait()


def login(url: str) -> str:
    user = os.environ.get("AIRFLOW_USER", "admin")
    password = os.environ.get("AIRFLOW_PASSWORD")
    if password is None:
        password = (answers.SECRETS / "admin_password").read_text(encoding="utf-8")
    try:
        return call(f"{url}/auth/token", {"username": user, "password": password})["access_token"]
    except urllib.error.HTTPError as error:
        if error.code == 401:
            raise ClusterError(
                f"the server does not know {user} by this password. "
                "admin's is set to secrets/admin_password by make deploy"
            ) from None
        raise


def trigger(dag: str, conf: dict) -> None:
    with api_server() as url:
        token = login(url)
        address = f"{url}/api/v2/dags/{urllib.parse.quote(dag, safe='')}"
        try:
            paused = call(address, token=token)["is_paused"]
        except urllib.error.HTTPError as error:
            if error.code != 404:
                raise
            known = call(f"{url}/api/v2/dags?limit=100", token=token)["dags"]
            names = ", ".join(sorted(item["dag_id"] for item in known)) or "none"
            raise ClusterError(f"Airflow has no DAG {dag}; it has: {names}. See: make pod-dags") from None
        run = call(f"{address}/dagRuns", {"logical_date": None, "conf": conf}, token)
    print(f"{run['dag_run_id']}: {run['state']}")
    if paused:
        print(f"{dag} is paused: the run waits until it is switched on in the UI")


def main() -> int:
    dag, text = os.environ.get("DAG", ""), os.environ.get("CONF") or "{}"
    try:
        if not dag:
            raise ClusterError("which one? make trigger DAG=extract")
        try:
            conf = json.loads(text)
        except ValueError as problem:
            raise ClusterError(f"CONF is not JSON ({problem}): {text}") from None
        if not isinstance(conf, dict):
            example = '{"partition": "2018-02-01"}'
            raise ClusterError(f"CONF must be a JSON object, such as '{example}', not {text}")
        trigger(dag, conf)
    except urllib.error.HTTPError as error:
        print(f"make trigger: {words(error)}", file=sys.stderr)
        return 1
    except (ClusterError, OSError) as problem:
        print(f"make trigger: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
