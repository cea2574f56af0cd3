"""A person's whole way with a release, in the words of the pages: the one scenario, for a real cluster and for none.

Each step is a function of the world (world.py); they come in this order, and each leaves a release that is well.
"""

import json
import re
import urllib.request
from functools import partial

from tests.etl_tools.cluster.real.breakages import BREAKAGES, broken_and_mended
from tests.etl_tools.cluster.real.pages import in_table, typed

PARTITION = "2018-02-01"
HELLO = '''"""Says hello."""

import pendulum
from airflow.sdk import dag, task


@dag(schedule=None, start_date=pendulum.datetime(2026, 1, 1, tz="UTC"), catchup=False, tags=["hello"])
def hello():
    @task
    def say() -> None:
        print("hello")

    say()


hello()
'''


def first(world, beginning, page="deploy", heading=None):
    """Return the command of a page that begins like this: the page has it, or this fails."""
    return next(line for line in typed(world.page(page), heading) if line.startswith(beginning))


def keys_are_made_and_registered(world):
    printed = world.type(first(world, "make keys"))
    (public_key,) = re.findall(r"^ *(ssh-\S+ \S+)", printed, re.MULTILINE)
    assert "read" in printed
    # A git server of one's own, whose keys nobody publishes.
    assert "Written." in world.type("make known-hosts", answer="y\n")
    world.register(public_key)


def the_project_is_pushed(world):
    world.git("remote", "add", "origin", world.push_url)
    world.git("add", "--all")
    world.git("commit", "--quiet", "--no-verify", "-m", "Start")
    world.git("push", "--quiet", "-u", "origin", "main")
    world.type(first(world, "git push"))


def it_is_deployed(world):
    printed = world.type(first(world, "make deploy"))
    assert f"namespace {world.namespace}" in printed.splitlines()[0]
    assert "Airflow runs." in printed


def a_second_deploy_writes_no_secret(world):
    before = world.secrets()
    assert before
    assert "nothing was written" in world.type("make deploy")
    assert world.secrets() == before


def has_run(world, name):
    """Wait until a run of this DAG has succeeded."""

    def succeeded():
        return any(run["state"] == "success" for run in world.airflow("dags", "list-runs", name))

    world.wait_until(f"{name} has run", succeeded)


def dags_run_and_data_is_there(world):
    """Of one day: the page's own command turns all DAGs on, the table's starts the day."""
    world.type(first(world, "make trigger"))
    (line,) = [line for line in in_table(world.page()) if PARTITION in line]
    world.type(line)
    for name in ("extract", "transform"):
        has_run(world, name)
    files = world.data()
    assert any(PARTITION in file or PARTITION.replace("-", "") in file for file in files), files


def doctor_finds_nothing(world):
    world.wait_until("doctor is content", lambda: not world.doctor())
    report = world.type(first(world, "make doctor"))
    assert world.content in report, report


def what_the_table_says_works(world):
    for line in ("make status", "make pod-dags", "make logs-sync"):
        assert line in in_table(world.page())
        printed = world.type(line)
        assert printed.strip()
    assert "deployed" in world.type("make status")


def only_the_release_reaches_its_parts(world):
    """Where network policies are enforced: the broker and the API server are for Airflow's own pods."""
    if world.policies:
        assert world.reaches("kubernetes.default", 443), "that it reaches nothing would show nothing"
        assert not world.reaches("airflow-redis", 6379)
        assert not world.reaches("airflow-api-server", 8080)


def the_ui_is_brought_here(world):
    running = world.started(first(world, "make ui-forward"))
    try:

        def answers():
            try:
                with urllib.request.urlopen("http://localhost:8080/api/v2/monitor/health", timeout=5) as health:
                    return json.load(health)["scheduler"]["status"] == "healthy"
            except OSError:
                return False

        world.wait_until("the UI answers", answers, 60)
    finally:
        world.stop(running)


def a_push_is_visible(world):
    world.commit("dags/hello.py", HELLO)
    world.wait_until(
        "from push to visible", lambda: "hello" in {dag["dag_id"] for dag in world.airflow("dags", "list")}
    )
    world.type("make trigger DAG=hello UNPAUSE=yes")
    has_run(world, "hello")


def a_push_is_followed(world):
    world.commit("dags/hello.py", HELLO.replace("Says hello.", "Says hello again."))
    assert "It has arrived" in world.type(first(world, "make follow"), TIMEOUT="5")


def a_second_person_gets_the_keys(world):
    second, before = world.beside("second"), world.secrets()
    for line in ("make deploy", "make secrets"):
        assert "make keys-from-cluster" in second.type(line, expect=2)
    second.type(first(world, "make keys-from-cluster", "keys"))
    second.type("make deploy")
    assert world.secrets() == before


def every_key_is_rotated(world):
    refused = world.type("make rotate", expect=2)
    names = re.search(r"with one of: (.*)", refused)[1].split(", ")
    assert {"fernet_key", "jwt_secret", "deploy_key", "admin_password"} <= set(names)
    for name in names:
        before, pods = (world.project / "secrets" / name).read_text(), world.pods("api-server")
        if name == "deploy_key":
            refused = world.type("make rotate-deploy-key", expect=2)
            world.register(*world.keys, re.search(r"^(ssh-\S+ \S+)", refused, re.MULTILINE)[1])
        printed = world.type("make rotate-deploy-key" if name == "deploy_key" else f"make rotate NAME={name}")
        assert (world.project / "secrets" / name).read_text() != before
        if name == "deploy_key":
            world.register(world.keys[-1])
        else:
            assert "is new, here and in the cluster" in printed
        if name != "admin_password":
            assert world.new_pods("api-server", pods)
    doctor_finds_nothing(world)


def what_was_scaled_by_hand_is_not_reset_by_surprise(world):
    replicas = ("get", "deployment/airflow-api-server", "--output=jsonpath={.spec.replicas}")
    world.kubectl("scale", "deployment/airflow-api-server", "--replicas=2")
    assert "write it into helm/values.yaml as replicas" in world.type("make deploy", expect=2)
    assert world.kubectl(*replicas) == "2"
    world.type("make deploy", FORCE_CONFLICTS="yes")
    assert world.kubectl(*replicas) == "1"


def it_is_rolled_back(world):
    before = world.secrets()
    assert "Rolled back." in world.type("make rollback", CONFIRM="yes")
    assert world.secrets() == before
    doctor_finds_nothing(world)


def the_database_is_backed_up_and_restored(world):
    backup, restore = typed(world.page(), "Backup")
    printed = world.type(backup)
    file = re.search(r"make restore FILE=(\S+)", printed)[1]
    assert (world.project / file).stat().st_size
    printed = world.type(re.sub(r"FILE=\S+", f"FILE={file}", restore), CONFIRM="yes")
    assert "Restored." in printed
    assert "extract" in {dag["dag_id"] for dag in world.airflow("dags", "list")}


def undeploy_leaves_secrets_and_volumes(world):
    before = world.secrets()
    world.type("make undeploy", CONFIRM="airflow")
    gone = f"nothing of release airflow runs in namespace {world.namespace}"
    found = world.wait_until("all pods have gone", lambda: (found := world.doctor()) and gone in found and found)
    assert found[gone] == "make deploy"
    assert world.secrets() == before
    assert "quakes-data" in world.kubectl("get", "persistentvolumeclaims", "--output=name")


STEPS = {
    step.__name__.replace("_", " "): step
    for step in (
        keys_are_made_and_registered,
        the_project_is_pushed,
        it_is_deployed,
        a_second_deploy_writes_no_secret,
        dags_run_and_data_is_there,
        doctor_finds_nothing,
        what_the_table_says_works,
        only_the_release_reaches_its_parts,
        the_ui_is_brought_here,
        a_push_is_visible,
        a_push_is_followed,
    )
}
STEPS |= {f"mended: {name}": partial(broken_and_mended, name=name) for name in BREAKAGES}
STEPS |= {
    step.__name__.replace("_", " "): step
    for step in (
        a_second_person_gets_the_keys,
        every_key_is_rotated,
        what_was_scaled_by_hand_is_not_reset_by_surprise,
        it_is_rolled_back,
        the_database_is_backed_up_and_restored,
        undeploy_leaves_secrets_and_volumes,
    )
}
# Where one of these fails, there is nothing to go on with.
FIRST = list(STEPS)[:3]
