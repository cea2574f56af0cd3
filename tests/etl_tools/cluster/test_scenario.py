"""What `make test-cluster` tries on a real cluster, here without one: the scenario's own code, from end to end."""

import pytest

from tests.etl_tools.cluster.dry import LEFT_OUT, DryWorld
from tests.etl_tools.cluster.real.breakages import BREAKAGES
from tests.etl_tools.cluster.real.scenario import STEPS
from tests.servers.git_ssh_server import GitSshServer

pytestmark = [pytest.mark.servers, pytest.mark.xdist_group("scenario")]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with GitSshServer(tmp_path_factory.mktemp("server")) as server:
        yield DryWorld(tmp_path_factory.mktemp("world"), server).begin()


def test_ten_breakages():
    assert len(BREAKAGES) == 10
    assert LEFT_OUT.keys() <= STEPS.keys()


@pytest.mark.parametrize("name", [name for name in STEPS if name not in LEFT_OUT])
def test_the_scenario_runs_with_recordings(world, name):
    STEPS[name](world)
