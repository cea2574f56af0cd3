"""What the pages in docs/ tell people to write into helm/values.yaml fits the chart, for every executor."""

import ast
import json
import re

import pytest
import yaml

from tests.conftest import PROJECT_FOLDER, QUESTIONS
from tests.etl_tools.cluster import helm_chart
from tests.etl_tools.cluster.test_helm_values import overlaid

SLUG = "quakes"
# (page, which of its blocks, whether it is an object of its own rather than values)
BLOCKS = [
    (page.stem, number, text.startswith("apiVersion"))
    for page in sorted((PROJECT_FOLDER / "docs").glob("*.md"))
    for number, text in enumerate(
        re.findall(r"^```yaml\n(.*?)^```$", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    )
]
VALUES = [(page, number) for page, number, own in BLOCKS if not own]
OBJECTS = [(page, number) for page, number, own in BLOCKS if own]


@pytest.fixture(scope="module")
def block(bake):
    """Return a function: page, number, answers → (values.yaml, the page's block), both parsed."""

    def read(page, number, **answers):
        project = bake(project_slug=SLUG, **answers)
        text = (project / "docs" / f"{page}.md").read_text(encoding="utf-8")
        found = re.findall(r"^```yaml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)[number]
        return yaml.safe_load((project / "helm" / "values.yaml").read_text(encoding="utf-8")), yaml.safe_load(found)

    return read


def test_there_are_blocks():
    assert {page for page, _ in VALUES} >= {"sso", "monitoring", "keys", "connections"}
    assert {page for page, _ in OBJECTS} == {"monitoring", "keys"}


@pytest.mark.parametrize(("page", "number"), OBJECTS)
def test_an_object_is_whole(block, page, number):
    _, item = block(page, number)
    assert item.keys() == {"apiVersion", "kind", "metadata", "spec"}


@pytest.mark.parametrize("executor", QUESTIONS["executor"])
@pytest.mark.parametrize(("page", "number"), VALUES)
def test_values_fit_the_chart_s_schema(block, page, number, executor):
    values, more = block(page, number, executor=executor)
    assert helm_chart.schema_errors(overlaid(values, more)) == []


@pytest.mark.chart
@pytest.mark.parametrize(("page", "number"), VALUES)
def test_values_render_to_what_kubernetes_takes(block, page, number):
    values, more = block(page, number)
    objects = helm_chart.objects(helm_chart.render(overlaid(values, more)))
    assert [error for item in objects for error in helm_chart.kubernetes_errors(item, "1.34")] == []


def test_the_sso_settings_are_python_and_name_the_secret(block):
    _, more = block("sso", 0)
    ast.parse(more["apiServer"]["apiServerConfig"])
    assert more["apiServer"]["env"][0]["valueFrom"]["secretKeyRef"]["name"] == f"{SLUG}-sso"


@pytest.mark.parametrize("number", range(4))
def test_the_backend_s_arguments_are_json(block, number):
    _, more = block("connections", number)
    assert isinstance(json.loads(more["config"]["secrets"]["backend_kwargs"]), dict)


@pytest.mark.chart
def test_the_service_monitor_finds_the_chart_s_exporter(block):
    values, monitor = block("monitoring", 0)
    services = [item for item in helm_chart.objects(helm_chart.render(values)) if item["kind"] == "Service"]
    wanted = monitor["spec"]["selector"]["matchLabels"].items()
    (service,) = [item for item in services if wanted <= item["metadata"]["labels"].items()]
    assert monitor["spec"]["endpoints"][0]["port"] in {port["name"] for port in service["spec"]["ports"]}
