"""make follow: a push on its way through git server, pod, DAG processor and API, and where it hangs."""

import http.server
import json
import os
import re
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.conftest import run
from tests.etl_tools.cluster import helm_chart, states
from tests.etl_tools.cluster.cluster import ANSWERS, Cluster
from tests.etl_tools.in_process import evaluate

# Looks once, and waits for nothing.
BRIEFLY = {"TIMEOUT": "0"}
PUBLIC = ANSWERS | {"git_access": "public", "git_repo": "https://git.example.com/acme/quakes.git"}


class Airflow:
    """The API of an Airflow: what it says of DAGs, import errors and sources; each is the test's to change."""

    def __init__(self):
        self.dags, self.errors, self.sources, self.login = [], [], {}, None
        airflow = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                airflow.login = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                self.answer({"access_token": "token"})

            def do_GET(self):
                path, _, query = self.path.partition("?")
                name = path.rpartition("/")[2]
                first = int((re.findall(r"offset=(\d+)", query) or ["0"])[0])
                if path.startswith("/api/v2/dagSources/"):
                    self.answer({"content": airflow.sources[name]})
                elif name == "dags":
                    # Pages of one, so that there are several.
                    self.answer({"dags": airflow.dags[first : first + 1], "total_entries": len(airflow.dags)})
                else:
                    self.answer({"import_errors": airflow.errors[first:], "total_entries": len(airflow.errors)})

            def answer(self, content):
                self.send_response(200)
                self.end_headers()
                self.wfile.write(json.dumps(content).encode())

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()


class Way:
    """A project with its git server, the pod's checkout and an Airflow, all of them at the same commit."""

    def __init__(self, project, folder, delivery):
        self.cluster = Cluster(project, folder, helm_chart.tools() / "helm")
        self.project, self.delivery, self.airflow = project, delivery, Airflow()
        self.server = folder / "quakes.git"
        answers = project / "pyproject.toml"
        answers.write_text(answers.read_text().replace(PUBLIC["git_repo"], f"file://{self.server}"))
        run(["git", "init", "--quiet", "--bare", self.server], cwd=project)
        self.home = folder / "home"
        bundles = folder / "bundles"
        self.pod = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "AIRFLOW_HOME": str(self.home),
            "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH": str(bundles),
        }
        self.tracking = bundles / "quakes" / "tracking_repo"
        (project / "secrets" / "admin_password").write_text("secret")
        self.cluster["pods.json"] = states.items("healthy")
        self.cluster["port"] = str(self.airflow.server.server_port)
        self.commit("Begin")
        for step in (self.push, self.fetch, self.parse, self.list):
            step()

    def git(self, *words, cwd=None):
        return run(["git", *words], cwd=cwd or self.project).strip()

    def commit(self, message):
        self.git("add", "--all")
        self.git("commit", "--quiet", "--no-verify", "--message", message)

    def push(self):
        self.git("push", "--quiet", str(self.server), "HEAD:refs/heads/main")

    def fetch(self):
        """What git-sync, or the bundle's refresh, does."""
        if self.delivery == "git-dag-bundle":
            if not self.tracking.exists():
                run(["git", "clone", "--quiet", "--branch=main", self.server, self.tracking], cwd=self.project)
            self.git("fetch", "--quiet", cwd=self.tracking)
            self.git("reset", "--quiet", "--hard", "origin/main", cwd=self.tracking)
            return
        worktree = self.home / ".worktrees" / self.git("rev-parse", "main", cwd=self.server)
        worktree.mkdir(parents=True, exist_ok=True)
        link = self.home / "dags" / "repo"
        link.parent.mkdir(exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(worktree)

    def parse(self):
        """The DAG processor reads each file of what was fetched."""
        self.airflow.dags = [
            {
                "dag_id": path.stem,
                "relative_fileloc": path.name,
                "bundle_name": "quakes" if self.delivery == "git-dag-bundle" else "dags-folder",
                "bundle_version": self.git("rev-parse", "main", cwd=self.server),
                "last_parsed_time": datetime.fromtimestamp(time.time() + 1, UTC).isoformat(),
                "last_parse_duration": 0.1,
            }
            for path in sorted((self.project / "dags").glob("*.py"))
        ]

    def list(self):
        self.airflow.sources = {dag.stem: dag.read_text() for dag in (self.project / "dags").glob("*.py")}

    def change(self):
        path = self.project / "dags" / "extract.py"
        path.write_text(path.read_text() + "# A change.\n")
        self.commit("Change extract")

    def follow(self, expect=0, **variables):
        return self.cluster.make("follow", expect=expect, **self.pod | BRIEFLY | variables)


@pytest.fixture(params=["git-sync", "git-dag-bundle"])
def way(request, bake_fresh, tmp_path):
    way = Way(bake_fresh(**PUBLIC, dag_delivery=request.param), tmp_path, request.param)
    yield way
    way.airflow.server.shutdown()
    way.airflow.server.server_close()


def hops(printed):
    """Return the mark of each hop, in order."""
    return re.findall(r"^([✓✗]) +[\d.]+ s  ", printed, re.MULTILINE)


def test_each_hop_is_printed_with_its_seconds_and_its_budget(way):
    way.change()
    for step in (way.push, way.fetch, way.parse, way.list):
        step()
    printed = way.follow()
    assert hops(printed) == ["✓"] * 4
    fetching = {
        "git-sync": "(budget: dags.gitSync.period, 30 s)",
        "git-dag-bundle": "(budget: dagProcessor.dagBundleConfigList.0.kwargs.refresh_interval, 30 s)",
    }
    assert fetching[way.delivery] in printed
    assert "2 of 2 files" in printed
    assert "the API lists it: extract, transform" in printed
    assert "It has arrived" in printed
    assert way.airflow.login == {"username": "admin", "password": "secret"}
    # The password is on no command line.
    assert "secret" not in (way.cluster.state / "calls.jsonl").read_text().replace("secrets", "")
    # What somebody else has pushed on top of it has it, too.
    other = way.cluster.folder / "other"
    way.git("clone", "--quiet", "--branch=main", str(way.server), str(other))
    (other / "README.md").write_text("Another.\n")
    way.git("commit", "--quiet", "--all", "--no-verify", "-m", "On top", cwd=other)
    way.git("push", "--quiet", "origin", "main", cwd=other)
    for step in (way.fetch, way.parse):
        step()
    assert hops(way.follow()) == ["✓"] * 4


def test_what_others_pushed_is_fetched_before_it_is_looked_at(way):
    """On a branch of one's own, follow goes by the server's commit, which may not be here yet."""
    other = way.cluster.folder / "other"
    way.git("clone", "--quiet", "--branch=main", str(way.server), str(other))
    (other / "dags" / "transform.py").unlink()
    way.git("commit", "--quiet", "--all", "--no-verify", "-m", "On top", cwd=other)
    way.git("push", "--quiet", "origin", "main", cwd=other)
    (way.project / "dags" / "transform.py").unlink()
    for step in (way.fetch, way.parse, way.list):
        step()
    way.git("checkout", "--quiet", "-b", "mine")
    printed = way.follow()
    assert hops(printed) == ["✓"] * 4
    assert "1 of 1 files" in printed


def test_it_hangs_at_the_git_server(way):
    way.change()
    printed = way.follow(expect=2)
    assert hops(printed) == ["✗"]
    assert "commits of main that are not pushed: 1\n    git push origin main" in printed
    assert "hangs at hop 1 of 4" in printed
    way.server.rename(way.server.with_name("elsewhere.git"))
    assert "✗" in (printed := way.follow(expect=2))
    assert "has no repository" in printed


def test_it_hangs_on_the_way_into_the_pod(way):
    way.change()
    way.push()
    pods = states.items("healthy")
    (processor,) = [item for item in pods if item["kind"] == "Pod" and "dag-processor" in item["metadata"]["name"]]
    way.cluster["pods.json"] = pods
    error = '{"level":0,"error":"Run(git fetch): exit status 128: { stderr: Permission denied (publickey) }"}\n'
    way.cluster["logs"] = error if way.delivery == "git-sync" else f"ERROR GitCommandError {error}"
    printed = way.follow(expect=2)
    assert hops(printed) == ["✓", "✗"]
    assert f"the DAG processor's pod is at {way.git('rev-parse', 'HEAD~1')[:7]}" in printed
    assert "does not know this deploy key" in printed
    assert "hangs at hop 2 of 4" in printed
    # A pod that does not run is the reason, whatever the log says.
    processor["status"] = {
        "phase": "Pending",
        "conditions": [{"type": "PodScheduled", "status": "False", "message": "0/1 nodes are available"}],
    }
    way.cluster["pods.json"] = pods
    assert "no place on a node" in way.follow(expect=2)


def test_it_hangs_at_the_dag_processor(way):
    way.change()
    way.push()
    if way.delivery == "git-sync":
        for dag in way.airflow.dags:
            dag["last_parsed_time"] = datetime.fromtimestamp(time.time(), UTC).isoformat()
    way.fetch()
    printed = way.follow(expect=2)
    assert hops(printed) == ["✓", "✓", "✗"]
    assert "0 of 2 files, not yet extract.py, transform.py" in printed
    assert "hangs at hop 3 of 4" in printed
    # Half of them are done, and of one there is an error instead.
    way.parse()
    del way.airflow.dags[0]
    assert "1 of 2 files, not yet extract.py" in way.follow(expect=2)
    way.airflow.errors = [
        {
            "filename": "extract.py",
            "bundle_name": way.airflow.dags[0]["bundle_name"],
            "timestamp": datetime.fromtimestamp(time.time() + 1, UTC).isoformat(),
            "stack_trace": "Traceback\nSyntaxError: invalid syntax\n",
        }
    ]
    assert "Airflow cannot import extract.py: SyntaxError: invalid syntax" in way.follow(expect=2)


def test_a_commit_that_cannot_be_read_has_not_arrived(way):
    """Not even where the API lists nothing, as before a first push."""
    tree = way.git("rev-parse", "HEAD:dags")
    way.airflow.dags = []
    (way.project / ".git" / "objects" / tree[:2] / tree[2:]).unlink()
    printed = way.follow(expect=2)
    assert hops(printed) == ["✓", "✓", "✗"]
    assert "git ls-tree: " in printed


def test_a_commit_without_a_dag_file_has_nothing_to_follow(way):
    for path in (way.project / "dags").glob("*.py"):
        path.unlink()
    way.commit("No DAG")
    for step in (way.push, way.fetch, way.parse, way.list):
        step()
    printed = way.follow(expect=2)
    assert hops(printed) == ["✓", "✓", "✗"]
    assert "has no DAG file in dags/" in printed


def test_it_hangs_at_the_api(way):
    way.change()
    for step in (way.push, way.fetch, way.parse):
        step()
    printed = way.follow(expect=2)
    assert hops(printed) == ["✓", "✓", "✓", "✗"]
    assert "it has another source of extract" in printed
    way.list()
    (way.project / "dags" / "transform.py").unlink()
    way.commit("No transform")
    listed = way.airflow.dags
    for step in (way.push, way.fetch, way.parse):
        step()
    way.airflow.dags += [dag for dag in listed if dag["dag_id"] == "transform"]
    assert "it still has transform, whose file has gone" in way.follow(expect=2)


TUNNEL = """
import http.server, sys
class Login(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"access_token": "token"}')
server = http.server.HTTPServer(("127.0.0.1", 0), Login)
print("Warning: this version is old.")
print(f"Forwarding from 127.0.0.1:{server.server_port} -> 8080", flush=True)
for _ in range(10_000):
    print("Handling connection for 8080")
sys.stdout.flush()
server.serve_forever()
"""


def test_the_source_of_a_dag_that_somebody_deletes_is_not_asked_for(way):
    """It was there when the files were looked at; its answer would be an error for ever."""

    def looked(arrival):
        airflow = arrival.Airflow()
        way.airflow.dags.append(way.airflow.dags[0] | {"dag_id": "deleted"})
        airflow.ask()
        way.airflow.dags.pop()
        return arrival.listed(arrival.Commit(way.git("rev-parse", "HEAD")), airflow)

    found = evaluate(way.project, "cluster.arrival", looked, **way.cluster.environment | way.pod)
    assert found == (True, "extract, transform")


def test_a_tunnel_does_not_stand_still_for_all_that_it_says(bake_fresh, tmp_path):
    """kubectl says a line for each request: in hours of looking, more than a pipe holds."""
    kubectl = tmp_path / "kubectl"
    kubectl.write_text(f"#!{sys.executable}\n{TUNNEL}")
    kubectl.chmod(0o755)

    def logged_in(api):
        with api.connected() as airflow:
            return airflow.ask("POST", "/auth/token", {})["access_token"]

    assert evaluate(bake_fresh(**PUBLIC), "cluster.api", logged_in, KUBECTL=str(kubectl)) == "token"


def test_no_tunnel_is_one_plain_line(way):
    """In the words that kubectl's failures have everywhere."""
    refused = "Error from server (Forbidden): pods is forbidden: cannot create resource pods/portforward"
    way.cluster["port-forward-fails"] = refused
    printed = way.follow(expect=2)
    assert hops(printed) == ["✓", "✓", "✗"]
    assert "you may not do that in namespace etl" in printed


def test_what_cannot_be_looked_at_is_not_well(way):
    (way.project / "secrets" / "admin_password").unlink()
    printed = way.follow(expect=2)
    assert hops(printed) == ["✓", "✓", "✗"]
    assert "secrets/admin_password is not here" in printed
    assert "It has arrived" not in printed
