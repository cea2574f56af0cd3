"""The table of sizes in docs/deploy.md: its numbers are values of the chart, and its nodes have room for its tasks."""

import re

import pytest
import yaml

from tests.conftest import QUESTIONS
from tests.etl_tools.cluster import helm_chart
from tests.etl_tools.cluster.test_helm_values import overlaid

# Airflow's own.
PARALLELISM = 32
# What the system of a node leaves to pods, in the cloud where that is least.
LEFT = {"cpu": 0.9, "memory": 0.75}
UNITS = {"m": 0.001, "Mi": 2**20, "Gi": 2**30}
WHOLE = {"cpu": 1, "memory": 10**9}


def rows(project):
    """Return each row's tasks, nodes and numbers, as texts."""
    page = (project / "docs/deploy.md").read_text()
    table = re.findall(r"^\| [\d,]+ \| (\d+) \| (.+?) \| (.+) \|$", page, re.MULTILINE)
    assert len(table) == 3
    return table


def written(numbers):
    """Return the values that a row says to write, nested."""
    values = {}
    for path, value in re.findall(r"`([\w.]+): ([^`]+)`", numbers):
        value = yaml.safe_load(value)
        for key in reversed(path.split(".")):
            value = {key: value}
        values = overlaid(values, value)
    return values


# The last one of LocalExecutor says to take another.
@pytest.fixture(
    params=[(name, n) for name in QUESTIONS["executor"] for n in range(3 - (name == "LocalExecutor"))], ids=str
)
def row(request, bake):
    """A row, and the values that it means."""
    executor, number = request.param
    project = bake(executor=executor)
    tasks, nodes, numbers = rows(project)[number]
    values = yaml.safe_load((project / "helm/values.yaml").read_text())
    if "(#production)" in numbers:
        values = overlaid(values, yaml.safe_load((project / "helm/values.production.yaml").read_text()))
    return int(tasks), nodes, overlaid(values, written(numbers))


def at(values, path, default=None):
    for key in path.split("."):
        values = values.get(key, {}) if isinstance(values, dict) else {}
    return default if values in ({}, None) else values


def workers(values):
    return at(values, "workers.celery.keda.maxReplicaCount") or at(values, "workers.celery.replicas")


def test_its_numbers_are_values_of_the_chart(row):
    assert helm_chart.schema_errors(row[2]) == []


def test_that_many_tasks_run_at_a_time(row):
    tasks, _, values = row
    schedulers = at(values, "scheduler.replicas", 1)
    assert schedulers * at(values, "config.core.parallelism", PARALLELISM) >= tasks
    if values["executor"] == "CeleryExecutor":
        assert workers(values) * at(values, "config.celery.worker_concurrency") >= tasks


def amount(text, kind):
    number, unit = re.fullmatch(r"([\d.]+)(\w*)", str(text)).groups()
    return float(number) * UNITS.get(unit, 1) / WHOLE[kind]


def requested(spec, kind):
    """Return what a pod reserves on its node, in processors or GB."""
    amounts = (at(each, f"resources.requests.{kind}", 0) for each in spec["containers"])
    return sum(amount(each, kind) for each in amounts)


@pytest.mark.chart
@pytest.mark.parametrize("kind", LEFT)
def test_what_the_pods_reserve_fits_the_nodes(row, kind):
    """Else some of them wait for a place for ever, and the table is wrong."""
    tasks, nodes, values = row
    count, processors, memory = map(int, re.fullmatch(r"(\d+) with (\d+) processors, (\d+) GB", nodes).groups())
    objects = helm_chart.objects(helm_chart.render(values))
    needed = 0
    for item in objects:
        if item["kind"] in ("Deployment", "StatefulSet"):
            worker = item["spec"]["template"]["metadata"]["labels"]["component"] == "worker"
            pods = workers(values) if worker else item["spec"].get("replicas", 1)
            needed += pods * requested(item["spec"]["template"]["spec"], kind)
    if values["executor"] == "KubernetesExecutor":
        needed += tasks * requested(helm_chart.pod_specs(objects)["task-pod"], kind)
    assert needed <= LEFT[kind] * count * {"cpu": processors, "memory": memory}[kind]
