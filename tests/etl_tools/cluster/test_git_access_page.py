"""docs/keys.md, a company's own certificates: kubectl takes the commands, git-sync gets the file."""

import json
import re

import pytest
import yaml

from tests.conftest import run
from tests.etl_tools.cluster import helm_chart
from tests.etl_tools.cluster.cluster import ANSWERS
from tests.etl_tools.cluster.test_helm_values import overlaid

PUBLIC = ANSWERS | {"git_access": "public", "git_repo": "https://git.example.com/acme/quakes.git"}


@pytest.fixture
def page(bake):
    return (bake(**PUBLIC) / "docs" / "keys.md").read_text().split("## A GitHub App, or", 1)[1]


def blocks(page, language):
    return re.findall(rf"^```{language}\n(.*?)^```", page, re.MULTILINE | re.DOTALL)


def test_the_commands_make_what_the_values_name(page, tmp_path):
    (tmp_path / "company-ca.crt").write_text("text")
    (command,) = blocks(page, "bash")
    words = [helm_chart.tools() / "kubectl", *command.split()[1:], "--dry-run=client", "--output=json"]
    item = json.loads(run(words, cwd=tmp_path))
    assert item["metadata"]["namespace"] == "etl"
    (text,) = blocks(page, "yaml")
    (volume,) = yaml.safe_load(text)["volumes"]
    assert {item["metadata"]["name"]: set(item["data"])} == {volume["configMap"]["name"]: {"ca.crt"}}


@pytest.mark.chart
def test_git_sync_gets_the_file_that_its_environment_names(bake, page):
    values = yaml.safe_load((bake(**PUBLIC) / "helm" / "values.yaml").read_text())
    values = overlaid(values, yaml.safe_load(blocks(page, "yaml")[0]))
    pods = helm_chart.pod_specs(helm_chart.objects(helm_chart.render(values, "etl")))
    for component in ("dag-processor", "worker"):
        spec = pods[component]
        for container in [*spec["initContainers"], *spec["containers"]]:
            if not container["name"].startswith("git-sync"):
                continue
            (file,) = [variable["value"] for variable in container["env"] if variable["name"] == "GIT_SSL_CAINFO"]
            (mount,) = [mount for mount in container["volumeMounts"] if file == f"{mount['mountPath']}/ca.crt"]
            assert [volume for volume in spec["volumes"] if volume["name"] == mount["name"]]
