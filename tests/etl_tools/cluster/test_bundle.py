"""make bundle: what it prints fits the chart, names no secret, and is a bundle that Airflow loads."""

import json
import re

import pytest
import yaml

from tests.conftest import make_command, run
from tests.etl_tools.cluster import helm_chart
from tests.etl_tools.cluster.cluster import ANSWERS

HTTPS = {"git_repo": "https://github.com/acme/quakes.git"}


@pytest.fixture
def printed(bake):
    """Return a function: answers → what make bundle prints, its values, and the project."""

    def bundle(**answers):
        project = bake(**ANSWERS | answers)
        text = run([*make_command(), "bundle"], cwd=project, PYTHONDONTWRITEBYTECODE="1")
        return text, yaml.safe_load(text), project

    return bundle


@pytest.mark.parametrize(
    "answers",
    [{}, {"git_access": "https-token"} | HTTPS, {"git_access": "github-app"} | HTTPS, {"git_access": "public"} | HTTPS],
    ids=["ssh", "token", "app", "public"],
)
def test_the_values_fit_the_chart(printed, answers):
    text, values, project = printed(**answers)
    assert helm_chart.schema_errors(values) == []
    (entry,) = values["dagProcessor"]["dagBundleConfigList"]
    assert entry["kwargs"]["repo_url"] == (ANSWERS | answers)["git_repo"]
    assert entry["kwargs"]["subdir"] == "dags"
    (line,) = re.findall(r"^# (\[.*\])$", text, re.MULTILINE)
    assert json.loads(line) == [entry]
    connections = re.findall(r"^# AIRFLOW_CONN_(\S+?)=(.*)$", text, re.MULTILINE)
    assert [name.lower() for name, _ in connections] == [
        entry["kwargs"][key] for key in entry["kwargs"] if key == "git_conn_id"
    ]
    for _, content in connections:
        assert json.loads(content)["host"] == entry["kwargs"]["repo_url"]
    for path in (project / "secrets").iterdir():
        if path.name not in (".gitignore", "deploy_key.pub"):
            assert path.read_text() not in text


def test_the_secret_s_command_makes_what_the_connection_reads(printed):
    text, values, project = printed()
    (command,) = re.findall("^# kubectl -n NAMESPACE (create secret .*)$", text, re.MULTILINE)
    words = [helm_chart.tools() / "kubectl", "-n", "airflow", *command.split(), "--dry-run=client", "-o", "json"]
    secret = json.loads(run(words, cwd=project))
    (volume,) = values["dagProcessor"]["extraVolumes"]
    (mount,) = values["dagProcessor"]["extraVolumeMounts"]
    assert volume["secret"]["secretName"] == secret["metadata"]["name"]
    extra = json.loads(re.search("^# AIRFLOW_CONN_.*?=(.*)$", text, re.MULTILINE)[1])["extra"]
    assert extra.pop("strict_host_key_checking") == "yes"
    assert {path.removeprefix(f"{mount['mountPath']}/") for path in extra.values()} == set(secret["data"])
