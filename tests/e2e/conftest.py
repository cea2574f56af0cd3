"""What the end-to-end tests share: a workspace that the servers can enter, servers, projects pushed to a git server."""

import contextlib
import csv
import json
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from tests.conftest import TEMPLATE, bake_into, make_command, run
from tests.e2e.event_service import EventService
from tests.e2e.git_server import GitServer
from tests.e2e.git_sync import GitSync
from tests.e2e.installation import IMAGE, Installation
from tests.e2e.processes import Servers
from tests.etl_tools.cluster import helm_chart, states
from tests.etl_tools.cluster.cluster import Cluster

OUTPUT = TEMPLATE / "build" / "e2e"
FIGURES = pytest.StashKey[dict]()


def pytest_configure(config):
    config.stash[FIGURES] = {}


def pytest_terminal_summary(terminalreporter, config):
    if config.stash[FIGURES]:
        terminalreporter.section("measured")
        for what, figure in config.stash[FIGURES].items():
            terminalreporter.write_line(f"{figure:8.1f} s  {what}")


@pytest.fixture(scope="session")
def measured(request):
    """Return a function that puts a number of seconds into the summary."""
    return request.config.stash[FIGURES].__setitem__


@pytest.fixture(scope="module")
def workspace(request):
    """A folder that other users may pass through, as PostgreSQL's has to; the logs are kept in build/e2e/logs."""
    # Not pytest's own: that is closed to others, and too deep for a socket's path.
    folder = Path(tempfile.mkdtemp(prefix="etl-e2e-", dir="/tmp"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def servers(request, workspace):
    logs = OUTPUT / "logs" / request.module.__name__.rpartition("_")[2]
    shutil.rmtree(logs, ignore_errors=True)
    servers = Servers(logs)
    yield servers
    servers.stop_all()


@pytest.fixture(scope="session")
def browser():
    """Return a function: Installation → Page, logged in; pictures are kept in build/e2e/pictures."""
    # Here, and not above: what needs no browser runs without playwright, too.
    from tests.e2e.browser import Browser

    browser = Browser(OUTPUT / "pictures")
    yield browser
    browser.close()


class PushedProject:
    """A baked project, its repository on the git server: what its developer and its platform engineer did by hand."""

    def __init__(self, workspace, servers, **answers):
        self.git_server = GitServer(Path(workspace) / "srv", servers).start()
        self.answers = {"project_slug": "quakes", "git_repo": self.git_server.url} | answers
        self.folder = bake_into(workspace, **self.answers)
        run_with_input([*make_command(), "known-hosts"], self.folder, "y\n")
        run([*make_command(), "keys"], cwd=self.folder)
        self.git_server.register((self.folder / "secrets" / "deploy_key.pub").read_text())
        own_key = self.git_server.new_key("own_key")
        self.git_server.register(Path(f"{own_key}.pub").read_text(), may_write=True)
        self.ssh = ssh_command(own_key, self.folder / "helm" / "known_hosts")
        self.git("remote", "add", "origin", self.git_server.url)
        self.push("Begin")

    def values(self, folder, **answers):
        """Return helm/values.yaml as it is with other answers."""
        return (bake_into(folder, **self.answers | answers) / "helm" / "values.yaml").read_text()

    def git(self, *arguments, ssh=None):
        """Run git in the project, over ssh with the developer's key unless told otherwise."""
        return run(["git", *arguments], cwd=self.folder, GIT_SSH_COMMAND=ssh or self.ssh)

    def push(self, message):
        """Commit everything and push; return the time of the push (time.monotonic)."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)
        self.git("push", "--quiet", "--set-upstream", "origin", "main")
        return time.monotonic()

    def edit(self, name, old, new):
        """Replace the one place in a file where `old` stands."""
        path = self.folder / name
        text = path.read_text()
        assert text.count(old) == 1, f"{old!r} is not once in {name}"
        path.write_text(text.replace(old, new))


def follow(project, installation):
    """Run `make follow` in a project: what kubectl would bring into a pod runs here, where the pods' processes do."""
    cluster = Cluster(project.folder, installation.root / "kubectl", helm_chart.tools() / "helm")
    cluster["pods.json"] = states.items("healthy")
    cluster["port"] = str(installation.port)
    pod = {
        "PATH": f"{IMAGE}/bin:{os.environ['PATH']}",
        "AIRFLOW_HOME": installation.environment["AIRFLOW_HOME"],
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH": f"{installation.root}/tmp/airflow/dag_bundles",
    }
    return cluster.make("follow", **pod, GIT_ALLOW_PROTOCOL="ssh")


def ssh_command(key, known_hosts):
    """Return GIT_SSH_COMMAND for a key, strict about the host's."""
    options = "-F /dev/null -o IdentitiesOnly=yes -o IdentityAgent=none -o StrictHostKeyChecking=yes"
    return f"ssh {options} -o UserKnownHostsFile={known_hosts} -i {key}"


def run_with_input(command, folder, text):
    """Run a command that asks something."""
    done = subprocess.run(command, cwd=folder, input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@contextlib.contextmanager
def following(installation, servers):
    """git-sync at work beside an installation."""
    sync = GitSync(installation.pods.git_sync(), servers).start()
    try:
        yield sync
    finally:
        sync.stop()


@pytest.fixture(scope="module")
def push_project(workspace, servers):
    """Return a function: answers → PushedProject."""
    return lambda **answers: PushedProject(workspace, servers, **answers)


@pytest.fixture(scope="module")
def event_service(workspace):
    """Return a function: project → EventService with its sample days."""
    services = []

    def start(project):
        services.append(EventService(next(project.glob("dags/*/earthquakes/sample"))))
        return services[-1]

    yield start
    for service in services:
        service.close()


@pytest.fixture(scope="module")
def install(workspace, servers):
    """Return a function: project folder, settings → Installation, to be started."""
    return lambda project, **settings: Installation(project, workspace, servers, **settings)


def expected_counts(project, day):
    """Return what the day's sample file holds, counted with nothing of the project: rows, clean, set_apart."""
    path = next(project.glob(f"dags/*/earthquakes/sample/{day}.csv"))
    with open(path, newline="", encoding="utf-8") as file:
        newest = {}
        rows = 0
        for row in csv.DictReader(file):
            rows += 1
            newest[row["id"]] = max(newest.get(row["id"], row), row, key=lambda each: each["updated"])
    kinds = [row["type"] for row in newest.values()]
    clean = kinds.count("earthquake")
    return {"rows": rows, "clean": clean, "set_apart": len(kinds) - clean, "duplicates": rows - len(kinds)}


READ = """
import json, sys
from quakes.datasets import read
events = read("earthquakes", sys.argv[1])
print(json.dumps({"rows": len(events), "ids": sorted(events["id"]), "columns": list(events.columns),
                  "days": sorted({str(time.date()) for time in events["time"]})}))
"""


def in_project(installation, dags, script, *arguments, **environment):
    """Run Python with the project's package as a pod would, and return the JSON that it prints last."""
    done = subprocess.run(
        [IMAGE / "bin" / "python", "-c", script, *arguments],
        env=installation.environment | {"PYTHONPATH": str(dags)} | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def read_clean(installation, dags, day):
    """Return what a person reads of a day, by the project's own function: rows, ids, columns, days."""
    return in_project(installation, dags, READ, day)


FILES = """
import hashlib, io, json, re, sys
import pyarrow as pa
import pyarrow.parquet as pq
from quakes.datasets.settings import load
from quakes.datasets.steps import folder
from quakes.datasets.store import Store
store, found = Store(load().data_root), {}

def without_commit(content):
    table = pq.read_table(io.BytesIO(content))
    stated = {key: value for key, value in table.schema.metadata.items() if key != b"commit"}
    with io.BytesIO() as sink:
        with pa.ipc.new_stream(sink, table.schema.with_metadata(stated)) as stream:
            stream.write_table(table.replace_schema_metadata(stated))
        return sink.getvalue()

for kind in ("raw", "clean", "set_apart", "rejected"):
    place = folder(kind, "earthquakes", sys.argv[1])
    for name in set(store.files(place)) - {"manifest.json"}:
        content = store.read(f"{place}/{name}")
        content = without_commit(content) if name.endswith(".parquet") else content
        found[re.sub(r"[.][0-9T]{18}-[0-9a-f]{8}", "", f"{kind}/{name}")] = hashlib.sha256(content).hexdigest()
print(json.dumps(found))
"""


def files_of(installation, dags, day):
    """Return the files of a day with hashes of all but the commit that made them, raw ones by their slice."""
    return in_project(installation, dags, FILES, day)


LEFTOVERS = """
import json, re
from quakes.datasets.settings import load
from quakes.datasets.store import Store
store = Store(load().data_root)
one = r"(clean|set_apart|rejected)/earthquakes/([^/]+/earthquakes.(parquet|jsonl)|columns.parquet)"
raw = r"raw/earthquakes/[^/]+/[0-9]{4}-of-[0-9]{4}[.][0-9T]{18}-[0-9a-f]{8}.csv"
paths = [path.removeprefix(store.full("")) for path in store._fs.find(store.full(""))]
manifests = [path for path in paths if path.endswith("/manifest.json")]
wrong = [path for path in paths if not re.fullmatch(f"{one}|{raw}|raw/.*/manifest.json|logs/.*", path)]
assert manifests
for path in manifests:
    slices = list(json.loads(store.read(path))["files"])
    there = all(path.replace("manifest.json", name) in paths for name in slices)
    if not there or {int(name[8:12]) for name in slices} != {len(slices)}:
        wrong.append(path)
print(json.dumps(wrong))
"""


def leftovers(installation, dags):
    """Return files under data_root that are none of the library's, and raw days that are not whole."""
    return in_project(installation, dags, LEFTOVERS)
