"""`KUBECONFIG=… make test-cluster`: the scenario (scenario.py) on a real cluster, in namespaces of its own.

TEST_CLUSTER_EXECUTOR and TEST_CLUSTER_DELIVERY choose the project (CeleryExecutor, git-sync), CHART a chart at hand in
place of the published one, TEST_CLUSTER_IMAGES a registry that has every image of the release, TEST_CLUSTER_NODE the
address of a node by which both this machine and pods reach the git server, TEST_CLUSTER_RESTRICTED=yes lets the
namespace enforce Pod Security `restricted` from the start.
"""

import os
import secrets

import pytest

from tests.etl_tools.cluster.real.pages import typed
from tests.etl_tools.cluster.real.scenario import FIRST, STEPS
from tests.etl_tools.cluster.real.world import World

failed = []


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A git server and a project; what the scenario makes of them is removed at the end."""
    executor = os.environ.get("TEST_CLUSTER_EXECUTOR") or "CeleryExecutor"
    delivery = os.environ.get("TEST_CLUSTER_DELIVERY") or "git-sync"
    namespace = f"etl-test-{secrets.token_hex(3)}"
    world = World(tmp_path_factory.mktemp("world"), namespace, executor, delivery)
    try:
        world.begin()
        if os.environ.get("TEST_CLUSTER_RESTRICTED") == "yes":
            world.kubectl("create", "namespace", namespace)
            (label,) = [line for line in typed(world.page(), "What a DAG may do in the cluster") if "label" in line]
            world.type(label)
        yield world
    finally:
        for what, seconds in world.seconds.items():
            print(f"{what}: {seconds:.0f} s")
        if not os.environ.get("TEST_CLUSTER_KEEP"):
            world.remove()


@pytest.mark.parametrize("name", STEPS)
def test_step(world, name):
    if failed:
        pytest.skip(f"there is nothing to go on with after: {failed[0]}")
    try:
        STEPS[name](world)
    except BaseException:
        if name in FIRST:
            failed.append(name)
        raise
