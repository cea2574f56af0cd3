"""make add, make lock, make image: what they write and refuse, and an image built as its Dockerfile says."""

import base64
import functools
import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest
import yaml

from tests.conftest import QUESTIONS, TEMPLATE, make_command, run
from tests.etl_tools.cluster import helm_chart
from tests.etl_tools.cluster.cluster import kubeconfig
from tests.etl_tools.in_process import etl, evaluate
from tests.servers import github_app
from tests.servers.git_https_server import GitHttpsServer
from tests.template.ci.test_generated_ci import IMAGE, gitlab_jobs, load

STOCK_IMAGE = "apache/airflow"
STOCK_LIST = TEMPLATE / "src/dag_integrity/stock_image.txt"
STOCK = f"{QUESTIONS['_airflow_version']}-python{QUESTIONS['_python_version']}"
IMAGE_FILES = ("requirements-image.lock", "Dockerfile", ".dockerignore")
WRITTEN = ("pyproject.toml", "requirements.lock", "helm/values.yaml", *IMAGE_FILES)
# Packages are looked up in the index, which takes seconds each.
pytestmark = pytest.mark.airflow
S3FS = "apache-airflow-providers-amazon[s3fs]"


def constraints(project):
    """Return what stands for Airflow's published constraints."""
    return str(STOCK_LIST)


def packages(project, *arguments, expect=0, **environment):
    """Run the tool in a project, by this environment's Python."""
    environment = {"AIRFLOW_CONSTRAINTS": constraints(project)} | environment
    return etl(project, *arguments, expect=expect, **environment)


def add(project, wanted, **options):
    return packages(project, "add", PKG=wanted, **options)


def missing(project):
    """Return what `make deploy` says of the image."""
    return "\n".join(evaluate(project, "local.packages", lambda packages: packages.missing_in_image()))


def written(project):
    there = [name for name in WRITTEN if (project / name).exists()]
    return {name: (project / name).read_bytes() for name in there}


def pins(path):
    """Return name → versions of a lock."""
    found = {}
    for name, version in re.findall(r"^([a-z0-9-]+)==(\S+)", path.read_text(), re.MULTILINE):
        found.setdefault(name, set()).add(version)
    return found


@pytest.fixture(scope="module")
def added(bake, tmp_path_factory):
    """A project to which `make add` has added a package that the stock image lacks, and what that said."""
    project = Path(shutil.copytree(bake(), tmp_path_factory.mktemp("added") / "my-etl"))
    said = run(["make", "add", "PKG=openpyxl"], cwd=project, AIRFLOW_CONSTRAINTS=constraints(project))
    return project, said


@pytest.fixture
def copy(added, bake_fresh):
    """Return a function: answers → a project of its own to which the same was added, without an index being asked."""

    def copied(**answers):
        project = bake_fresh(**answers)
        for name in ("requirements.lock", *IMAGE_FILES):
            shutil.copy(added[0] / name, project / name)
        path = project / "pyproject.toml"
        path.write_text(path.read_text().replace("dependencies = [\n", 'dependencies = [\n    "openpyxl",\n'))
        switched(project)
        return project

    return copied


def switched(project):
    """Have the values name the image that the locks need; return it."""
    return str(evaluate(project, "local.packages", lambda packages: packages.switch_image(packages.ROOT)))


def test_a_new_project_needs_no_image(bake_fresh):
    project = bake_fresh()
    before = written(project)
    assert missing(project) == ""
    packages(project, "lock")
    assert written(project) == before
    assert not [name for name in IMAGE_FILES if (project / name).exists()]
    assert "nothing to build" in run([*make_command(), "image"], cwd=project)


def test_laptop_and_image_get_the_same_versions(added):
    project, said = added
    run([".venv/bin/python", "-c", "import openpyxl"], cwd=project)
    image, laptop = pins(project / "requirements-image.lock"), pins(project / "requirements.lock")
    assert set(image) == {"openpyxl", "et-xmlfile"}
    assert "COPY requirements-image.lock" in (project / "Dockerfile").read_text()
    assert "/secrets/" in (project / ".dockerignore").read_text()
    assert {name: laptop[name] for name in image} == image
    assert "openpyxl" in said
    assert missing(project) == ""


def test_nothing_else_changes(added, bake):
    project, _ = added
    before = (bake() / "pyproject.toml").read_text().splitlines()
    lines = (project / "pyproject.toml").read_text().splitlines()
    assert [line for line in lines if line not in before] == ['    "openpyxl",']
    assert [line for line in lines if "openpyxl" not in line] == before
    locked = {name: before for name, before in pins(project / "requirements.lock").items()}
    assert locked.items() >= pins(bake() / "requirements.lock").items()
    texts = [(project / name).read_text() for name in ("requirements.lock", "requirements-image.lock")]
    assert not re.search("https?://", "".join(texts))


def test_again_changes_nothing(added):
    project, _ = added
    before = written(project)
    run(["make", "lock"], cwd=project, AIRFLOW_CONSTRAINTS=constraints(project))
    assert written(project) == before


def test_taking_it_out_again_needs_no_image(copy):
    project = copy()
    path = project / "pyproject.toml"
    path.write_text(path.read_text().replace('    "openpyxl",\n', ""))
    packages(project, "lock")
    assert pins(project / "requirements-image.lock") == {}
    values = yaml.safe_load((project / "helm/values.yaml").read_text())
    assert (values["defaultAirflowRepository"], values["defaultAirflowTag"]) == ("apache/airflow", STOCK)


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ("no-such-package-anywhere-0", ["no-such-package-anywhere-0 was not found"]),
        ("openpyxl==0.0.0.1", ["no version of openpyxl==0.0.0.1"]),
        ("pandas<2", ["require pandas<2", "The image's versions are by"]),
        ("great-expectations==1.0.0", ["great-expectations==1.0.0 depends on pandas<2.2", "KIND=heavy"]),
        ("open/pyxl", ["open/pyxl"]),
    ],
)
def test_refusals_say_why_and_change_nothing(bake_fresh, wanted, words):
    project = bake_fresh()
    before = written(project)
    said = add(project, wanted, expect=1)
    assert said.startswith("make add: ")
    assert said.endswith("\nNothing was changed.\n")
    assert all(word in said for word in words), said
    assert written(project) == before


def test_without_the_index_nothing_changes(bake_fresh):
    project = bake_fresh()
    before = written(project)
    nobody = "http://127.0.0.1:9"
    options = {"HTTPS_PROXY": nobody, "https_proxy": nobody, "UV_HTTP_RETRIES": "0", "UV_NO_CACHE": "1"}
    assert "Failed to fetch" in add(project, "openpyxl", expect=1, **options)
    assert written(project) == before


def test_without_a_package_it_tells_how(bake):
    assert "make add PKG=openpyxl" in packages(bake(), "add", expect=2)


def test_what_the_image_has_needs_no_other_image(bake_fresh):
    """And of zarr the newest versions need a newer Python than the oldest laptop's: those get one of their own."""
    project = bake_fresh()
    add(project, "scipy zarr")
    assert "scipy" not in pins(project / "requirements-image.lock")
    assert '"scipy"' in (project / "pyproject.toml").read_text()
    stock = re.search(r"^scipy==(\S+)", (STOCK_LIST).read_text(), re.MULTILINE)
    laptop = pins(project / "requirements.lock")
    assert stock[1] in laptop["scipy"]
    (image,) = pins(project / "requirements-image.lock")["zarr"]
    assert image in laptop["zarr"]
    assert len(laptop["zarr"]) > 1


def test_airflows_own_constraints_come_first(bake_fresh, tmp_path):
    """Whatever the list that comes along says: an image of an older NumPy gets what fits it."""
    (tmp_path / "constraints.txt").write_text("# Airflow's\nnumpy==2.3.5\npandas==2.2.0\n")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}/constraints.txt"
    try:
        said = add(bake_fresh(), "numpy>=2.4", expect=1, AIRFLOW_CONSTRAINTS=address, NO_PROXY="127.0.0.1")
    finally:
        server.shutdown()
        server.server_close()
    assert "require numpy>=2.4 and numpy==2.3.5" in said
    assert "by Airflow's constraints of" in said


@pytest.mark.parametrize(
    ("git_repo", "repository"),
    [
        ("git@github.com:Acme/My_ETL.git", "ghcr.io/acme/my_etl"),
        ("ssh://git@gitlab.com/acme/data/etl.git", "registry.gitlab.com/acme/data/etl"),
        ("git@git.example.com:acme/etl.git", None),
    ],
)
def test_images_are_beside_the_repository(bake, git_repo, repository):
    own = evaluate(bake(git_repo=git_repo), "local.packages", lambda packages: packages.own_repository(STOCK_IMAGE))
    assert own == repository


@pytest.mark.parametrize(
    ("ci", "said"), [("none", "make image, which builds"), ("gitlab", "CI builds it"), ("github", "CI builds it")]
)
def test_who_builds_the_image(bake, ci, said):
    script = "from etl_tools.local import packages; print(packages.next_step('example.com/etl:1'))"
    assert said in run([sys.executable, "-c", script], cwd=bake(ci=ci))


def test_where_images_are_is_said_once(copy):
    project = copy(git_repo="git@git.example.com:acme/etl.git")
    assert "make lock IMAGE=" in packages(project, "lock")
    assert "make lock IMAGE=" in missing(project)
    assert "without a tag" in packages(project, "lock", expect=1, IMAGE="images.example.com/etl:1")
    packages(project, "lock", IMAGE="images.example.com:5000/team/etl")
    assert missing(project) == ""
    with (project / "Dockerfile").open("a") as file:
        file.write("ENV TZ=UTC\n")
    assert "an image of other packages" in missing(project)
    assert "run make lock first" in packages(project, "image", expect=1)
    before = yaml.safe_load((project / "helm/values.yaml").read_text())["defaultAirflowTag"]
    image = switched(project)
    assert re.fullmatch(rf"images.example.com:5000/team/etl:{QUESTIONS['_airflow_version']}-[0-9a-f]{{12}}", image)
    assert before not in image
    path = project / "pyproject.toml"
    path.write_text(path.read_text().replace('    "openpyxl",\n', '    "openpyxl",\n    "xlsxwriter",\n'))
    assert "requirements-image.lock lacks xlsxwriter" in missing(project)


def test_s3_comes_by_the_image(bake_fresh):
    project = bake_fresh(data_root="s3://bucket/data")
    # What gs:// and abfs:// need.
    assert {"gcsfs", "adlfs"} <= pins(STOCK_LIST).keys()
    assert f"s3:// needs s3fs, which the image lacks: make add PKG='{S3FS}'" in missing(project)
    add(project, S3FS)
    assert set(pins(project / "requirements-image.lock")) == {"s3fs"}
    assert missing(project) == ""


@pytest.mark.chart
@pytest.mark.parametrize(("executor", "tasks"), [("CeleryExecutor", "worker"), ("KubernetesExecutor", "task-pod")])
def test_every_airflow_container_has_the_image(added, executor, tasks):
    project, _ = added
    values = yaml.safe_load((project / "helm/values.yaml").read_text())
    image = f"{values['defaultAirflowRepository']}:{values['defaultAirflowTag']}"
    values["executor"] = executor
    values["imagePullSecrets"] = [{"name": "registry"}]
    specs = helm_chart.pod_specs(helm_chart.objects(helm_chart.render(values)))
    images = {
        container["image"]
        for spec in specs.values()
        for container in [*spec["containers"], *spec.get("initContainers", [])]
    }
    assert image in images
    assert not [name for name in images if name.startswith("apache/airflow")]
    assert {"scheduler", tasks} <= specs.keys()
    assert all(spec["imagePullSecrets"] == [{"name": "registry"}] for spec in specs.values())


# --- Building


@pytest.fixture
def docker(tmp_path):
    """A docker that writes down what it is asked and knows the images that were pushed to it; no engine runs here."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "docker").write_text(
        f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\n'
        f'case "$1" in manifest) grep -qx "$3" {tmp_path}/pushed 2>/dev/null;; push) echo "$2" >> {tmp_path}/pushed;; '
        "login) cat > /dev/null;; esac\n"
    )
    (folder / "docker").chmod(0o755)

    def calls():
        return (tmp_path / "calls").read_text().splitlines()

    return {"PATH": f"{folder}:{os.environ['PATH']}"}, calls


def test_make_image_builds_and_pushes_once(added, docker):
    (project, _), (environment, calls) = added, docker
    values = yaml.safe_load((project / "helm/values.yaml").read_text())
    image = f"{values['defaultAirflowRepository']}:{values['defaultAirflowTag']}"
    run(["make", "image"], cwd=project, **environment)
    assert calls() == [f"manifest inspect {image}", f"build --pull --tag {image} .", f"push {image}"]
    assert "already" in run(["make", "image"], cwd=project, **environment)
    assert len(calls()) == 4


def test_without_docker_it_says_so(added):
    assert "/nonexistent/podman: No such file" in run(
        ["make", "image", "DOCKER=/nonexistent/podman"], added[0], expect=2
    )


@pytest.mark.parametrize("ci", ["github", "gitlab"])
def test_ci_logs_in_and_builds_when_the_image_changes(copy, docker, ci):
    environment, calls = docker
    project = copy(ci=ci, git_repo=f"git@{ci}.com:acme/etl.git")
    if ci == "github":
        workflow = load(project, IMAGE)
        assert "requirements-image.lock" in workflow[True]["push"]["paths"]
        lines = [step["run"] for step in workflow["jobs"]["image"]["steps"] if "run" in step]
        registry = "ghcr.io"
    else:
        job = gitlab_jobs(project)["pods-image"]
        assert "requirements-image.lock" in job["rules"][0]["changes"]
        named = gitlab_jobs(project)["image-name"]
        lines = [*named["before_script"], *named["script"], *job["before_script"], *job["script"]]
        registry = "registry.gitlab.com"
    variables = {"TOKEN": "t", "GITHUB_ACTOR": "ann", "CI_REGISTRY": registry, "CI_REGISTRY_USER": "ann"}
    script = "\n".join(["set -eo pipefail", *lines])
    run(["bash", "-c", script], cwd=project, CI_REGISTRY_PASSWORD="t", **variables, **environment)
    assert calls()[0] == f"login {registry} --username ann --password-stdin"
    assert calls()[-1].startswith(f"push {registry}/acme/etl:")


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    """Stands for the stock image: what it brings, as far as the end-to-end tests need it, and pip."""
    venv = tmp_path_factory.mktemp("image") / "venv"
    run(["uv", "venv", "--quiet", "--seed", "--python", sys.executable, venv], cwd=TEMPLATE)
    lock = TEMPLATE / "tests/e2e/requirements.lock"
    run(["uv", "pip", "install", "--quiet", "--python", venv / "bin/python", "--require-hashes", "-r", lock], TEMPLATE)
    return venv


def build(image, project, expect=0):
    """Run the Dockerfile's pip in the image's stand-in."""
    text = (project / "Dockerfile").read_text()
    (command,) = re.findall(r"^RUN pip (.+)$", text, re.MULTILINE)
    command = command.replace(" /requirements-image.lock", " requirements-image.lock").split()
    return run([image / "bin/python", "-m", "pip", *command], cwd=project, expect=expect)


def test_the_dockerfile_installs_the_lock_and_moves_nothing(bake_fresh, image, tmp_path):
    python = image / "bin/python"
    frozen = run([python, "-m", "pip", "freeze"], cwd=tmp_path)
    (tmp_path / "constraints.txt").write_text(frozen)
    project = bake_fresh()
    add(project, "openpyxl", AIRFLOW_CONSTRAINTS=str(tmp_path / "constraints.txt"))

    # What the lock leaves out is not fetched: hashes, or nothing.
    lock = project / "requirements-image.lock"
    whole = lock.read_text()
    lock.write_text(re.sub(r"^et-xmlfile.*?(?=^openpyxl)", "", whole, flags=re.MULTILINE | re.DOTALL))
    assert "et-xmlfile" in build(image, project, expect=1).replace("_", "-")
    lock.write_text(whole)
    build(image, project)
    after = run([python, "-m", "pip", "freeze"], cwd=tmp_path).splitlines()
    assert set(frozen.splitlines()) <= set(after)
    new = {line.split("==")[0].lower().replace("_", "-") for line in set(after) - set(frozen.splitlines())}
    assert new == {"openpyxl", "et-xmlfile"}
    subprocess.run([python, "-c", "import openpyxl"], check=True)


AS_GITHUB_APP = """
import functools, os, subprocess, sys
import github
from airflow.providers.git.hooks.git import GitHook

server, certificate, repository = sys.argv[1:]
# The provider leaves PyGithub's default, https://api.github.com, as it is: here the stand-in is asked.
github.GithubIntegration = functools.partial(github.GithubIntegration, base_url=server, verify=certificate)
hook = GitHook("git_dags")
assert hook.repo_url == repository
with hook.configure_hook_env():
    subprocess.run(["git", "ls-remote", repository], check=True, env=os.environ | {"GIT_SSL_CAINFO": certificate})
"""


@pytest.mark.servers
def test_a_bundle_is_read_as_a_github_app(bake_fresh, image, tmp_path):
    """The provider's own code, by the connection that `make secrets` brings, in the image that `make add` makes."""
    project = bake_fresh(git_access="github-app", dag_delivery="git-dag-bundle")
    assert missing(project) == "a GitHub App's bundle needs PyGithub, which the image lacks: make add PKG=PyGithub"
    add(project, "PyGithub")
    assert missing(project) == ""
    # The stand-in has less than the stock image, which brings PyNaCl.
    ((name, (version,)),) = pins(project / "requirements-image.lock").items()
    run([image / "bin/python", "-m", "pip", "install", "--quiet", f"{name}=={version}"], cwd=project)
    pem, public = github_app.new_key()
    github_app.put_files(project, pem)
    secrets = yaml.safe_load_all(etl(project, "manifests"))
    (data,) = [item["data"] for item in secrets if item["metadata"]["name"] == "my-etl-github-app"]
    connection = json.loads(base64.b64decode(data["connection"]))
    with GitHttpsServer(tmp_path, github_app.TOKEN, public) as server:
        subprocess.run(["git", "push", "--quiet", server.repository, "HEAD:refs/heads/main"], cwd=TEMPLATE, check=True)
        connection["host"] = server.url
        words = [server.url.removesuffix("/acme/my-etl.git") + "/api/v3", str(server.certificate), server.url]
        variables = {"AIRFLOW_HOME": str(tmp_path / "home"), "AIRFLOW_CONN_GIT_DAGS": json.dumps(connection)}
        said = run([image / "bin/python", "-c", AS_GITHUB_APP, *words], cwd=tmp_path, **variables)
    assert "refs/heads/main" in said


POD_PROVIDER = "apache-airflow-providers-cncf-kubernetes"
BUILD_THE_POD = """
from airflow.sdk import DAG
exec(open("block.py").read().replace("KubernetesPodOperator(", "task = KubernetesPodOperator("))
pod = task.build_pod_request_obj()
(container,) = pod.spec.containers
print(container.image, container.command, container.args, container.resources.requests)
"""


def test_the_page_s_pod_is_one_that_airflow_starts(bake_fresh):
    """docs/packages.md: its lines make a DAG file without findings, and the pod that they describe."""
    project = bake_fresh()
    run(["make", "add", f"PKG={POD_PROVIDER}"], cwd=project)
    assert not [name for name in IMAGE_FILES if (project / name).exists()]
    assert missing(project) == ""

    page = (project / "docs/packages.md").read_text()
    (block,) = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    imports, _, body = block.partition("\n\n")
    run(["make", "new-dag", "NAME=train", "KIND=plain"], cwd=project)
    file = project / "dags/train.py"
    text = file.read_text().replace("dag, task\n", f"dag\n{imports}\n")
    head, _, rest = text.partition("def train():\n")
    tail = rest[rest.index("\n\n\ntrain()") :]
    text = head + "def train():\n" + textwrap.indent(body.rstrip(), "    ") + tail
    file.write_text(text)
    assert "fit.py" in text
    said = run(["make", "integrity"], cwd=project)
    assert "3 DAGs in 3 files (0 not parsed): no findings" in said
    (project / "block.py").write_text(block)
    variables = {"KUBECONFIG": kubeconfig(project / "kubeconfig"), "AIRFLOW_HOME": str(project / ".airflow")}
    built = run([".venv/bin/python", "-c", BUILD_THE_POD], cwd=project, **variables)
    assert "registry.example.com/team/train:1.0 ['python', 'fit.py']" in built
    assert "{'cpu': '4', 'memory': '16Gi'}" in built
