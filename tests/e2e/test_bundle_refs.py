"""What a GitDagBundle may be pointed at, by Airflow's own class: a branch that moves, a tag, a commit; sparse_dirs."""

import json
import subprocess

import pytest

from tests.conftest import run
from tests.e2e.installation import IMAGE

pytestmark = pytest.mark.e2e
# As the DAG processor does it: initialize, then refresh.
# A line of standard input each: which pod, and what it is pointed at.
SCRIPT = """
import json, sys
from airflow.providers.git.bundles.git import GitDagBundle
for line in sys.stdin:
    pod, url, ref = line.split()
    options = {"subdir": "dags", "sparse_dirs": ["dags"], "refresh_interval": 30}
    bundle = GitDagBundle(name=pod, tracking_ref=ref, repo_url=url, **options)
    try:
        bundle.initialize()
        bundle.refresh()
        version = bundle.get_current_version()
        found = [getattr(version, "version", version), sorted(path.name for path in bundle.repo_path.iterdir())]
    except Exception:
        found = None
    print("found", json.dumps(found), flush=True)
"""


@pytest.fixture
def repository(tmp_path):
    """Return a function: message → the commit that was made; its files are in dags/ and in docs/."""
    folder = tmp_path / "quakes"
    run(["git", "init", "--quiet", "--initial-branch=main", folder], cwd=tmp_path)

    def commit(message):
        for name in ("dags/extract.py", "docs/page.md", "README.md"):
            path = folder / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(message)
        run(["git", "add", "--all"], cwd=folder)
        run(["git", "commit", "--quiet", "--message", message], cwd=folder)
        return run(["git", "rev-parse", "HEAD"], cwd=folder).strip()

    commit.folder = folder
    return commit


@pytest.fixture
def pod(tmp_path, repository):
    """Return a function: ref, name of a pod → commit and files of the pod's checkout, or None where that fails."""
    environment = {
        "PATH": f"{IMAGE}/bin:/usr/bin:/bin",
        "AIRFLOW_HOME": str(tmp_path / "home"),
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH": str(tmp_path / "bundles"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{tmp_path}/airflow.db",
    }
    streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
    process = subprocess.Popen([IMAGE / "bin" / "python", "-c", SCRIPT], env=environment, **streams)

    def checkout(ref, name="pod"):
        process.stdin.write(f"{name} {repository.folder} {ref}\n")
        process.stdin.flush()
        line = next(line for line in process.stdout if line.startswith("found "))
        return json.loads(line.removeprefix("found "))

    yield checkout
    process.stdin.close()
    process.wait()


def test_a_pod_follows_a_branch_a_tag_or_a_commit(repository, pod):
    first = repository("First")
    run(["git", "tag", "v1"], cwd=repository.folder)
    # docs/ is not checked out; files beside the folders are.
    assert pod("main") == [first, [".git", "README.md", "dags"]]
    assert pod("v1", "another")[0] == first
    second = repository("Second")
    # A branch is fetched as it moves; so a promotion reaches a pod that runs.
    assert pod("main")[0] == second
    # A new pod takes a commit, too, and an older one is no trouble where it is there already.
    assert pod(second, "new")[0] == second
    assert pod(first, "new")[0] == first
    # apache/airflow#71388: one that is newer than the clone. Once this works, docs/environments.md need not say so.
    third = repository("Third")
    assert pod(third, "new") is None
    assert pod(third, "its-successor")[0] == third
