"""`make test-cluster`: what tests/etl_tools/cluster/real/ tries on a real API server, and on no other occasion."""

import sys

import pytest

from tests.conftest import TEMPLATE, run
from tests.etl_tools.cluster.real.scenario import STEPS


def test_without_a_kubeconfig_it_refuses_with_one_line():
    printed = run(["make", "test-cluster"], cwd=TEMPLATE, expect=2, KUBECONFIG=None)
    assert printed.splitlines()[0].startswith("KUBECONFIG=... make test-cluster: ")
    assert "passed" not in printed


@pytest.mark.parametrize(("wanted", "found"), [(None, 0), ("yes", len(STEPS))])
def test_only_the_target_collects_the_tests(wanted, found):
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-n", "0", "tests/etl_tools/cluster/real"]
    printed = run(command, cwd=TEMPLATE, expect=0 if found else 5, TEST_CLUSTER=wanted)
    assert printed.count("::test_") == found, printed
