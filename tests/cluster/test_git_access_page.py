"""docs/git-access.md: kubectl takes its commands, and its values bring the files into git-sync's container."""

import json
import re

import pytest
import yaml

from tests.cluster import helm_chart
from tests.cluster.cluster import ANSWERS
from tests.cluster.test_helm_values import overlaid
from tests.conftest import run

PUBLIC = ANSWERS | {"git_access": "public", "git_repo": "https://git.example.com/acme/quakes.git"}


@pytest.fixture
def page(bake):
    return (bake(**PUBLIC) / "docs" / "git-access.md").read_text()


def blocks(page, language):
    return re.findall(rf"^```{language}\n(.*?)^```", page, re.MULTILINE | re.DOTALL)


def test_the_commands_make_what_the_values_name(page, tmp_path):
    (tmp_path / "secrets").mkdir()
    for name in ("secrets/github_app.pem", "company-ca.crt"):
        (tmp_path / name).write_text("text")
    made = {}
    for command in blocks(page, "bash"):
        words = [helm_chart.tools() / "kubectl", *command.split()[1:], "--dry-run=client", "--output=json"]
        item = json.loads(run(words, cwd=tmp_path))
        assert item["metadata"]["namespace"] == "etl"
        made[item["metadata"]["name"]] = set(item["data"])
    app, authority = map(yaml.safe_load, blocks(page, "yaml"))
    assert made == {
        app["volumes"][0]["secret"]["secretName"]: {"key.pem"},
        authority["volumes"][0]["configMap"]["name"]: {"ca.crt"},
    }


@pytest.mark.chart
@pytest.mark.parametrize(
    ("number", "name", "path"),
    [(0, "GITSYNC_GITHUB_APP_PRIVATE_KEY_FILE", "key.pem"), (1, "GIT_SSL_CAINFO", "ca.crt")],
    ids=["GitHub App", "authority"],
)
def test_git_sync_gets_the_file_that_its_environment_names(bake, page, number, name, path):
    values = yaml.safe_load((bake(**PUBLIC) / "helm" / "values.yaml").read_text())
    values = overlaid(values, yaml.safe_load(blocks(page, "yaml")[number]))
    pods = helm_chart.pod_specs(helm_chart.objects(helm_chart.render(values, "etl")))
    for component in ("dag-processor", "worker"):
        spec = pods[component]
        for container in [*spec["initContainers"], *spec["containers"]]:
            if not container["name"].startswith("git-sync"):
                continue
            (file,) = [variable["value"] for variable in container["env"] if variable["name"] == name]
            (mount,) = [mount for mount in container["volumeMounts"] if file == f"{mount['mountPath']}/{path}"]
            assert [volume for volume in spec["volumes"] if volume["name"] == mount["name"]]
