"""make trigger: Airflow's own command in a pod, run here on a real Airflow with its database."""

import pytest

from tests.conftest import make_command, run
from tests.etl_tools.cluster import helm_chart
from tests.etl_tools.cluster.cluster import ANSWERS, Cluster

pytestmark = pytest.mark.airflow


@pytest.fixture(scope="module")
def project(installed):
    """A project whose DAGs are in its database, as the DAG processor writes them."""
    project = installed(**ANSWERS)
    settings = {"AIRFLOW_HOME": f"{project}/.airflow", "AIRFLOW__CORE__DAGS_FOLDER": f"{project}/dags"}
    for words in (["db", "migrate"], ["dags", "reserialize"]):
        run([project / ".venv/bin/airflow", *words], project, AIRFLOW__CORE__LOAD_EXAMPLES="False", **settings)
    return project


def test_a_run_is_started_with_what_it_was_given(project, tmp_path):
    cluster = Cluster(project, tmp_path, helm_chart.tools() / "helm")
    # The pod that kubectl exec leads to.
    pod = {
        "PATH": f"{project}/.venv/bin:/usr/bin:/bin",
        "AIRFLOW_HOME": f"{project}/.airflow",
        "AIRFLOW__CORE__DAGS_FOLDER": f"{project}/dags",
    }
    conf = '{"partition": "2018-02-01"}'

    def runs():
        return run([project / ".venv/bin/airflow", "dags", "list-runs", "extract", "--output", "json"], project, **pod)

    # A new DAG is paused: the run would wait, and nobody would know for what.
    printed = cluster.make("trigger", expect=2, DAG="extract", CONF=conf, **pod)
    assert "nothing was started: the DAG extract is paused" in printed
    assert "make trigger DAG=extract UNPAUSE=yes" in printed
    assert "manual__" not in runs()
    printed = cluster.make("trigger", DAG="extract", CONF=conf, UNPAUSE="yes", **pod)
    assert "manual__" in printed
    assert "queued" in printed
    assert "manual__" in runs()
    # What kubectl exec cuts (kubernetes#124571) is not known to have begun.
    cluster["exec-does-nothing"] = 'dags "$@"'
    printed = cluster.make("trigger", expect=2, DAG="extract", **pod)
    assert "kubectl exec into deployment/api-server ended early: whether it did its work is unknown" in printed
    (cluster.state / "exec-does-nothing").unlink()
    # It is on now.
    assert "manual__" in cluster.make("trigger", DAG="extract", **pod)
    command = [*make_command(), "trigger"]
    assert "Dag id nope not found" in run(command, project, 2, **cluster.environment | pod, DAG="nope")
    assert "which one? make trigger DAG=extract" in cluster.make("trigger", expect=2)
