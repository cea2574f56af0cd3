"""make images: every image that a pod of the release pulls, and no other."""

import re

import pytest

from tests.etl_tools.cluster import helm_chart
from tests.etl_tools.cluster.cluster import ANSWERS, Cluster

pytestmark = pytest.mark.chart


def in_pods(values):
    """Return the images of all pods, as Helm's library renders the chart."""
    specs = helm_chart.pod_specs(helm_chart.objects(helm_chart.render(values)))
    containers = [
        each for spec in specs.values() for kind in ("initContainers", "containers") for each in spec.get(kind) or []
    ]
    return {each["image"] for each in containers}


@pytest.fixture(scope="module")
def chart(tmp_path_factory):
    return helm_chart.copy_of_chart(tmp_path_factory.mktemp("chart"))


@pytest.mark.parametrize(
    "answers",
    [{"executor": "CeleryExecutor"}, {"executor": "KubernetesExecutor", "dag_delivery": "git-dag-bundle"}],
    ids=["celery", "kubernetes"],
)
def test_every_image_is_listed_once_with_who_needs_it(bake, tmp_path, chart, answers):
    project = bake(**ANSWERS | answers)
    cluster = Cluster(project, tmp_path, helm_chart.tools() / "helm")
    rows = dict(re.split(" {2,}", line) for line in cluster.make("images", CHART=str(chart)).splitlines())
    values = helm_chart.yaml.safe_load((project / "helm" / "values.yaml").read_text())
    assert rows.keys() == in_pods(values)
    assert all(":" in image.rpartition("/")[2] for image in rows)
    users = next(users for image, users in rows.items() if image.startswith("apache/airflow:"))
    assert "deployment/airflow-api-server" in users
    # The pods of tasks are in no Deployment: a ConfigMap holds what Airflow makes them of.
    assert ("configmap/airflow-config" in users) == (answers["executor"] == "KubernetesExecutor")
    assert any("git-sync" in image for image in rows) == ("dag_delivery" not in answers)


def test_an_image_that_is_mirrored_is_listed_from_there(bake_fresh, tmp_path, chart):
    """With the values that docs/packages.md shows for a mirror, nothing is pulled from anywhere else."""
    project = bake_fresh(**ANSWERS)
    page = (project / "docs" / "packages.md").read_text().partition("## Behind a company's wall")[2]
    (mirror,) = [
        text for text in re.findall("```yaml\n(.*?)```", page, re.DOTALL) if "defaultAirflowRepository" in text
    ]
    (project / "helm" / "values.mirror.yaml").write_text(mirror)
    cluster = Cluster(project, tmp_path, helm_chart.tools() / "helm")
    printed = cluster.make("images", CHART=str(chart), VALUES="helm/values.yaml helm/values.mirror.yaml")
    elsewhere = [line for line in printed.splitlines() if not line.startswith("registry.example.com/")]
    assert elsewhere == []
    values = helm_chart.yaml.safe_load(mirror)
    assert helm_chart.schema_errors(values) == []
    # The chart's PostgreSQL is a chart of its own, which a checkout of the chart comes without.
    assert values["postgresql"]["image"]["registry"] == "registry.example.com"


def test_a_chart_that_does_not_render_is_one_line(bake, tmp_path, chart):
    cluster = Cluster(bake(**ANSWERS), tmp_path, helm_chart.tools() / "helm")
    printed = cluster.make("images", expect=2, CHART=str(tmp_path / "nowhere"))
    assert "make images: " in printed
