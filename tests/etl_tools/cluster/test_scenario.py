"""What `make test-cluster` tries on a real cluster, here without one: the scenario's own code, from end to end."""

import pytest

from tests.etl_tools.cluster import helm_chart
from tests.etl_tools.cluster.dry import LEFT_OUT, DryWorld
from tests.etl_tools.cluster.real.breakages import BREAKAGES, LARGE, LITTLE, NO_IMAGE
from tests.etl_tools.cluster.real.scenario import STEPS
from tests.etl_tools.cluster.real.world import IMAGES, POLICIES, nested
from tests.servers.git_ssh_server import GitSshServer

pytestmark = [pytest.mark.servers, pytest.mark.xdist_group("scenario")]
failed = []


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with GitSshServer(tmp_path_factory.mktemp("server")) as server:
        yield DryWorld(tmp_path_factory.mktemp("world"), server).begin()


def test_ten_breakages():
    assert len(BREAKAGES) == 10
    assert LEFT_OUT.keys() <= STEPS.keys()


@pytest.mark.parametrize("name", [name for name in STEPS if name not in LEFT_OUT])
def test_the_scenario_runs_with_recordings(world, name):
    if failed:
        pytest.skip(f"each step goes on from the one before, and this failed: {failed[0]}")
    failed.append(name)
    STEPS[name](world)
    failed.clear()


@pytest.mark.parametrize("values", [IMAGES, POLICIES, NO_IMAGE, LITTLE, LARGE])
def test_what_it_lays_over_the_values_fits_the_chart(values):
    """A real cluster would be the first to notice."""
    if not (validator := helm_chart.schema_validator()):
        pytest.skip(helm_chart.WITHOUT_CHART)
    assert [error.message for error in validator.iter_errors(nested(values))] == []
    assert nested(values).keys() <= validator.schema["properties"].keys()
