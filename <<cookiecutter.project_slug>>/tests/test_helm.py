"""helm/values.yaml: nothing that the chart would ignore, no secret, and only Secrets that the tools make.

With Helm on PATH the pinned chart is rendered too, which checks every key against the chart's own schema.
"""

import importlib
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
OVERLAY = ROOT / "helm" / "values.production.yaml"


@pytest.fixture
def tool(monkeypatch):
    """Return a function: name → that module of tools/, which is no package that the DAGs could import."""
    monkeypatch.syspath_prepend(str(ROOT))
    return lambda name: importlib.import_module(f"tools.{name}")


@pytest.fixture
def text():
    return (ROOT / "helm" / "values.yaml").read_text(encoding="utf-8")


@pytest.fixture
def values(text):
    return yaml.safe_load(text)


def leaves(value, path=""):
    """Yield dotted path and value of everything in values that is no mapping and no list."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from leaves(inner, f"{path}.{key}".lstrip("."))
    if not isinstance(value, dict | list):
        yield path, value


def test_no_key_of_an_older_chart(tool, values):
    """At the top level they pass the chart's schema, and do nothing."""
    paths = [path for path, _ in leaves(values)]
    old = tool("cluster.doctor.values").OLD_VALUES
    assert not [path for path in paths for name in old if f"{path}.".startswith(f"{name}.")]


def test_no_secret(tool, text):
    """Neither under a key that is meant for one, nor anything that looks like one."""
    doctor = tool("cluster.doctor.values")
    assert not list(doctor.secrets_in(doctor.read_values(text)))


def made_secrets(tool, folder, monkeypatch):
    """Return Secret name → its keys, as the tools make them out of placeholders."""
    answers, keys = tool("answers"), tool("secrets.keys")
    monkeypatch.setattr(answers, "SECRETS", folder)
    for name in [*keys.text_secrets(), "deploy_key"]:
        (folder / name).write_text("placeholder")
    made = {name: set(data) for name, data in tool("secrets.manifests").secret_data().items()}
    if answers.GIT_ACCESS == "https-token":
        module = tool("cluster.apply_secrets")
        made[module.TOKEN] = set(module.token_data("placeholder"))
    return made


def test_every_secret_is_one_that_the_tools_make(tool, values, tmp_path, monkeypatch):
    made = made_secrets(tool, tmp_path, monkeypatch)
    named = list(tool("cluster.helm_values").named_secrets(values))
    assert len(named) >= 6
    missing = {name: set(keys) - made.get(name, set()) for name, keys in named}
    assert not {name: keys for name, keys in missing.items() if keys}


def test_the_dags_come_from_this_repository(tool, values):
    answers = tool("answers")
    sync = values.get("dags", {}).get("gitSync")
    if sync:
        # branch and rev win over ref unless they are blank.
        where = [sync[name] for name in ("repo", "ref", "subPath", "branch", "rev")]
        assert where == [answers.GIT_REPO, answers.GIT_BRANCH, answers.DAGS_SUBPATH, "", ""]
    else:
        (bundle,) = values["dagProcessor"]["dagBundleConfigList"]
        where = [bundle["kwargs"][name] for name in ("repo_url", "tracking_ref", "subdir")]
        assert where == [answers.GIT_REPO, answers.GIT_BRANCH, answers.DAGS_SUBPATH]
    assert list((ROOT / answers.DAGS_SUBPATH).glob("*.py"))


def test_the_image_is_the_airflow_of_the_lock(values):
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    version = re.search(r"^apache-airflow==(\S+)", lock, re.MULTILINE)[1]
    assert values["airflowVersion"] == version
    assert values["defaultAirflowTag"].startswith(f"{version}-")


def test_the_overlay_names_no_secret_in_the_clear(tool):
    doctor = tool("cluster.doctor.values")
    overlay = OVERLAY.read_text(encoding="utf-8")
    assert not list(doctor.secrets_in(doctor.read_values(overlay)))


@pytest.mark.parametrize("files", ["helm/values.yaml", "helm/values.yaml helm/values.production.yaml"])
def test_the_chart_takes_the_values(tool, monkeypatch, files):
    helm = tool("cluster.kubectl").helm_command()
    if not shutil.which(helm[0]):
        pytest.skip(f"{helm[0]} is not here, so the values are not tried on the chart")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    pinned = re.search(r"CHART_VERSION \?= (\S+)", makefile)[1]
    monkeypatch.setenv("CHART_VERSION", os.environ.get("CHART_VERSION", pinned))
    monkeypatch.setenv("VALUES", files)
    render = [*helm, "template", *tool("cluster.deploy").chart(), "--namespace", tool("answers").NAMESPACE]
    done = subprocess.run(render, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode and "CI" not in os.environ and re.search(r"looks like|lookup|dial tcp", done.stderr):
        pytest.skip("the chart's repository is out of reach")
    assert not done.returncode, done.stderr
    kinds = {item["kind"] for item in yaml.safe_load_all(done.stdout) if item}
    assert "Deployment" in kinds
    assert "Secret" not in kinds
