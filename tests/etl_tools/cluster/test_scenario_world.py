"""What the scenario makes on a real cluster besides the release: objects that Kubernetes takes, and reading answers."""

import json
import os
import sys

import pytest

from tests.etl_tools.cluster import helm_chart, pod_security
from tests.etl_tools.cluster.real.pages import command_of, in_table, typed
from tests.etl_tools.cluster.real.world import GIT_SERVER, World

# Writes down each call with what it was given, and answers from the environment.
KUBECTL = f"""#!{sys.executable} -IS
import json, os, sys
words = sys.argv[3:]
given = sys.stdin.read() if words[0] in ("apply", "exec") and "--" + "filename=-" in words or "--stdin" in words else ""
with open(os.environ["CALLS"], "a") as calls:
    calls.write(json.dumps([sys.argv[2], words, given]) + "\\n")
answers = json.loads(os.environ["ANSWERS"])
print(next((text for start, text in answers if " ".join(words).startswith(start)), ""), end="")
"""
ANSWERS = [
    ["get service", "30022"],
    # Of a cluster with two families of addresses.
    ["get nodes", "10.0.0.1 fd00::1"],
    ["get serviceaccount default", "serviceaccount/default"],
    ["get pod/data", "Succeeded"],
    ["logs pod/git", "listening at 2222\n"],
    ["logs pod/data", "/data/raw/2018-02-01.parquet\n"],
    ["exec pod/git", "yes\n"],
]
PAGE = """# Page

```bash
make one     # says one
make two X=1
```

| | |
|---|---|
| `make three` | Three |

### More

```bash
kubectl label x   # and that
```
"""


class Offline(World):
    """A real world, its kubectl answered by a stand-in."""

    def __init__(self, folder):
        super().__init__(folder, "etl-test", "CeleryExecutor", "git-sync")
        (folder / "tools").mkdir()
        self.tools = folder / "tools"
        (self.tools / "kubectl").write_text(KUBECTL)
        (self.tools / "kubectl").chmod(0o755)
        self.environment |= {"CALLS": str(folder / "calls"), "ANSWERS": json.dumps(ANSWERS)}

    def calls(self):
        return [json.loads(line) for line in (self.folder / "calls").read_text().splitlines()]

    def applied(self):
        return [json.loads(given) for _, words, given in self.calls() if words[0] == "apply"]


@pytest.fixture
def world(tmp_path):
    return Offline(tmp_path)


def test_the_git_server_is_a_pod_that_laptop_and_cluster_reach_by_one_address(world):
    world.start_git()
    assert world.url == "ssh://git@10.0.0.1:30022/quakes.git"
    script, pod, service = world.applied()
    assert script["data"][GIT_SERVER.name] == GIT_SERVER.read_text()
    (port,) = service["spec"]["ports"]
    assert pod["spec"]["containers"][0]["command"][-1] == str(port["port"])
    assert service["spec"]["selector"].items() <= pod["metadata"]["labels"].items()
    assert {space for space, words, _ in world.calls() if words[0] == "apply"} == {"etl-test-git"}


def test_what_it_makes_is_what_kubernetes_takes_even_where_restricted_is_enforced(world):
    world.start_git()
    assert world.data() == ["/data/raw/2018-02-01.parquet"]
    made = world.applied()
    for item in made:
        for version in ("1.30", helm_chart.kubernetes_versions("1.30")[-1]):
            assert helm_chart.kubernetes_errors(item, version) == []
    pods = [item for item in made if item["kind"] == "Pod"]
    assert len(pods) == 2
    assert [found for pod in pods for found in pod_security.violations(pod)] == []


def test_a_pod_is_made_when_its_namespace_takes_one(world):
    """A fresh namespace has no service account for a moment, and refuses pods."""
    world.start_git()
    words = [words for _, words, _ in world.calls()]
    account, pod = (next(n for n, words in enumerate(words) if words[0] == word) for word in ("get", "apply"))
    assert words[account][1] == "serviceaccount"
    assert account < pod


def test_a_pod_that_failed_says_so_at_once(world):
    failed = [["get pod/data", "Failed"], ["logs pod/data", "find: /data: Permission denied\n"]]
    world.environment["ANSWERS"] = json.dumps(failed)
    with pytest.raises(AssertionError, match="Permission denied"):
        world.data()
    assert world.calls()[-1][1][:3] == ["delete", "pod", "data"]


def test_what_is_waited_for_is_asked_again_where_asking_fails(world):
    """The API server's pod may be one that is about to go."""
    world.pause, answers = 0, iter([AssertionError("no such container"), [], ["extract"]])

    def ask():
        answer = next(answers)
        if isinstance(answer, AssertionError):
            raise answer
        return answer

    assert world.wait_until("DAGs", ask) == ["extract"]
    answers = iter([AssertionError("no such container")])
    world.patience = -1
    with pytest.raises(AssertionError, match="DAGs: not within -1 s: no such container"):
        world.wait_until("DAGs", ask)


def test_a_person_may_write_and_a_registered_key_reads(world):
    world.start_git()
    world.register("ssh-ed25519 AAAA deploy\n")
    given = world.calls()[-1][2]
    person, deploy_key = given.splitlines()
    assert person == f"writes {world.person.with_name('person.pub').read_text().strip()}"
    assert deploy_key == "reads ssh-ed25519 AAAA deploy"
    assert str(world.person) in world.pushes()["GIT_SSH_COMMAND"]
    assert world.reaches("airflow-redis", 6379)


def test_a_pod_that_goes_is_no_pod_of_the_release(world):
    """Seen on a real cluster after a rotation: the old pod was still there, asked to go."""
    stays, goes = ({"metadata": {"name": name}} for name in ("new", "old"))
    goes["metadata"]["deletionTimestamp"] = "2026-11-29T02:41:18Z"
    world.environment["ANSWERS"] = json.dumps([["get pods", json.dumps({"items": [stays, goes]})]])
    assert world.pods("api-server") == {"new"}


def test_a_table_is_found_behind_log_lines(world):
    text = '[2026-11-29T02:37:27] INFO - x\n[{"dag_id": "extract"}]\n'
    world.environment["ANSWERS"] = json.dumps([["exec", text]])
    assert world.airflow("dags", "list") == [{"dag_id": "extract"}]
    world.environment["ANSWERS"] = json.dumps([["exec", "[]\n"]])
    assert world.airflow("dags", "list") == []
    world.environment["ANSWERS"] = json.dumps([["exec", "Killed\n"]])
    with pytest.raises(AssertionError, match="prints no table: Killed"):
        world.airflow("dags", "list")


def test_all_namespaces_go_at_the_end(world):
    world.remove()
    assert [words[2] for _, words, _ in world.calls()] == ["etl-test", "etl-test-git"]


def test_images_of_a_registry_and_policies_go_over_the_values(world, monkeypatch):
    monkeypatch.setenv("TEST_CLUSTER_IMAGES", "localhost:5001")
    world.policies, world.url = True, "ssh://git@10.0.0.1:30022/quakes.git"
    world.project = world.bake()
    assert world.environment["VALUES"].split() == [
        "helm/values.yaml",
        "helm/values.policies.yaml",
        "helm/values.images.yaml",
    ]
    assert "localhost:5001/apache/airflow" in (world.project / "helm/values.images.yaml").read_text()
    assert world.image.startswith("localhost:5001/apache/airflow:")
    # A git server whose keys nobody publishes: the page says what to do.
    assert "make known-hosts" in typed(world.page())
    world.without_overlay("images")
    assert world.environment["VALUES"].split()[-1] == "helm/values.policies.yaml"
    assert not os.path.exists(world.project / "helm/values.images.yaml")


def test_commands_are_those_of_the_page():
    assert typed(PAGE) == ["make one", "make two X=1"]
    assert typed(PAGE, "More") == ["kubectl label x"]
    assert in_table(PAGE) == ["make three"]
    assert command_of("git push -u origin main, or correct it in x") == "git push -u origin main"
    assert (
        command_of("make secrets && kubectl rollout restart x -l y") == "make secrets && kubectl rollout restart x -l y"
    )
