"""Ten breakages: what is done to a release, what `make doctor` has to say of it, and its cure, typed.

The cure is what the line below doctor's finding says; where that is something to write, it is written, and then the
command typed.
"""

import base64
import json
import re
from collections.abc import Callable
from dataclasses import dataclass

from tests.etl_tools.cluster.helm_chart import PINS
from tests.etl_tools.cluster.real.pages import command_of

NEEDS = '"""Cannot be imported."""\n\nimport nosuchpackage\n'


@dataclass
class Breakage:
    """`says` and `fix` are regular expressions; `cure` gets the world and what doctor advises."""

    harm: Callable
    says: str
    fix: str
    cure: Callable


def type_it(world, advice):
    """Type what doctor advises."""
    world.type(command_of(advice))


def type_the_last(world, advice):
    """Type what stands at the end: doctor names the safe way first, and here what secrets/ has is right."""
    world.type(advice.rpartition(": ")[2])


def fails_to_deploy(world, name, values):
    world.overlay(world.project, name, values)
    printed = world.type("make deploy", expect=2, TIMEOUT="2")
    assert "nothing was changed" not in printed, printed


def put_right(name):
    """Return a cure: the value is as it was, then what doctor says last."""

    def cure(world, advice):
        world.without_overlay(name)
        world.shows()
        world.type("make deploy")

    return cure


# --- Secrets


def delete_a_secret(world):
    world.kubectl("delete", "secret", "quakes-fernet")


def another_secret(world):
    data = {"data": {"jwt-secret": base64.b64encode(b"another").decode()}}
    world.kubectl("patch", "secret", "quakes-jwt", "--patch", json.dumps(data))


# --- What the release is made of


def delete_a_deployment(world):
    world.kubectl("delete", "deployment", "airflow-statsd")


# Of the right Airflow: another one is refused beforehand.
NO_IMAGE = {("defaultAirflowTag",): f"{PINS['_airflow_version']}-python0.0"}
LITTLE = {
    ("apiServer", "resources", "requests", "memory"): "64Mi",
    ("apiServer", "resources", "limits", "memory"): "128Mi",
}
LARGE = {("triggerer", "resources", "requests", "memory"): "900Gi"}


def image_missing(world):
    world.shows("image-missing")
    fails_to_deploy(world, "image", NO_IMAGE)


def too_little_memory(world):
    world.shows("oom")
    fails_to_deploy(world, "memory", LITTLE)


def too_large(world):
    world.shows("too-large")
    fails_to_deploy(world, "large", LARGE)


# --- The way of the DAGs


def unregister(world):
    world.registered, before = [], list(world.keys)
    world.register()
    world.registered = before


def register_again(world, advice):
    assert "register the key" in advice
    world.register(*world.registered)


def delete_the_branch(world):
    world.git("push", "--quiet", "origin", ":main")


def push_a_dag_that_lacks_a_package(world):
    world.commit("dags/needs.py", NEEDS)


def take_it_back(world, advice):
    assert "make add PKG=nosuchpackage" in advice
    world.git("revert", "--no-edit", "HEAD")
    world.git("push", "--quiet", "origin", "main")


def pause(world):
    world.kubectl("exec", "deployment/airflow-api-server", "--", "airflow", "dags", "pause", "extract", "--yes")


BREAKAGES = {
    "a Secret deleted": Breakage(delete_a_secret, r"lacks the Secret quakes-fernet", r"^make secrets", type_it),
    "a Secret of another content": Breakage(another_secret, r"quakes-jwt", r"OVERWRITE=quakes-jwt make", type_the_last),
    "a Deployment deleted": Breakage(delete_a_deployment, r"airflow-statsd, and somebody", r"^make deploy$", type_it),
    "an image that is missing": Breakage(image_missing, r"cannot be pulled", r"correct the tag", put_right("image")),
    "too little memory": Breakage(too_little_memory, r"OOMKilled", r"limits\.memory", put_right("memory")),
    "no node is large enough": Breakage(too_large, r"no place on a node", r"describe pod", put_right("large")),
    "a key that is not registered": Breakage(unregister, r"does not know this deploy key", "register", register_again),
    "a branch that is missing": Breakage(delete_the_branch, r"no branch main", r"^git push -u origin main", type_it),
    "a package that is missing": Breakage(
        push_a_dag_that_lacks_a_package, r"nosuchpackage", r"make add PKG=", take_it_back
    ),
    "a paused DAG": Breakage(pause, r"the DAG extract is paused", r"airflow dags unpause extract$", type_it),
}


def broken_and_mended(world, name):
    """Break one thing in what is well, find it in doctor's report, type its cure, and see that all is well again."""
    breakage = BREAKAGES[name]
    breakage.harm(world)

    def named():
        found = [(what, fix) for what, fix in world.doctor().items() if re.search(breakage.says, what)]
        return found[:1]

    ((what, fix),) = world.wait_until(f"{name}: named", named)
    assert re.search(breakage.fix, fix), f"{what}: {fix}"
    breakage.cure(world, fix)
    world.wait_until(f"{name}: mended", lambda: not world.doctor())
