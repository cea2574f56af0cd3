"""The generated tests/test_helm.py: green on every project, red on each mistake that it is there for."""

import sys

import pytest

from tests.bake.combinations import all_pairs, readable
from tests.cluster import helm_chart
from tests.conftest import run


def run_helm_tests(project, expect=0, **environment):
    """Run the project's tests of its values; they need neither Airflow nor the rest of its tests."""
    command = [sys.executable, "-m", "pytest", "-q", "--noconftest", "-p", "no:cacheprovider", "tests/test_helm.py"]
    return run(command, cwd=project, expect=expect, **{"CI": None, "HELM": "no-helm-here"} | environment)


@pytest.mark.parametrize("answers", all_pairs()[:8], ids=readable)
def test_green_on_a_new_project(bake, answers):
    assert "6 passed, 2 skipped" in run_helm_tests(bake(**answers))


@pytest.mark.parametrize(
    ("old", "new", "red"),
    [
        ('    rev: ""\n', '    rev: "HEAD"\n', "test_the_dags_come_from_this_repository"),
        ("apiServer:\n", "webserver:\n", "test_no_key_of_an_older_chart"),
        ("-git-ssh\n", "-git-key\n", "test_every_secret_is_one_that_the_tools_make"),
        ("-admin, key: password}", "-admin, key: admin-password}", "test_every_secret_is_one_that_the_tools_make"),
        ("fernetKeySecretName:", "fernetKey:", "test_no_secret"),
        ('airflowVersion: "', 'airflowVersion: "1', "test_the_image_is_the_airflow_of_the_lock"),
    ],
    ids=lambda value: value.strip(),
)
def test_red_on_a_mistake(bake_fresh, old, new, red):
    project = bake_fresh()
    values = project / "helm" / "values.yaml"
    text = values.read_text(encoding="utf-8")
    assert old in text
    values.write_text(text.replace(old, new), encoding="utf-8")
    assert f"FAILED tests/test_helm.py::{red}" in run_helm_tests(project, expect=1)


@pytest.fixture
def project_with_chart(bake_fresh, tmp_path):
    """A project whose tests render the chart with the real helm, from a folder in place of the published archive."""
    chart = helm_chart.copy_of_chart(tmp_path)
    return bake_fresh(), {"HELM": str(helm_chart.tools() / "helm"), "CHART": str(chart), "CI": "true"}


@pytest.mark.chart
def test_with_helm_the_chart_itself_has_its_say(project_with_chart):
    project, environment = project_with_chart
    assert "8 passed" in run_helm_tests(project, **environment)
    values = project / "helm" / "values.yaml"
    values.write_text(values.read_text().replace("    depth: 1\n", "    depht: 1\n"), encoding="utf-8")
    assert "FAILED tests/test_helm.py::test_the_chart_takes_the_values" in run_helm_tests(project, 1, **environment)
