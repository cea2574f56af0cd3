"""docs/packages.md, behind a company's wall: an install without a network but for a mirror, git by a real proxy."""

import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap
import time
import zipfile
from pathlib import Path

import pytest
import yaml

from tests.conftest import clean_environment, run
from tests.etl_tools.cluster import helm_chart
from tests.etl_tools.cluster.cluster import ANSWERS
from tests.etl_tools.cluster.test_helm_values import overlaid
from tests.servers.git_https_server import GitHttpsServer
from tests.servers.ports import free_port, listening

pytestmark = pytest.mark.servers
PUBLIC = ANSWERS | {"git_access": "public", "git_repo": "https://git.example.com/acme/quakes.git"}
# No interface but loopback, and every process goes with the first one.
NAMESPACE = ["unshare", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]
# Of some thousand packages those that a `make` command needs; all the others are found in the same way.
KEPT = ("airflow-etl-tools", "pyyaml", "ruff", "python-dotenv")


def wall(page):
    return page.read_text().partition("## Behind a company's wall")[2]


@pytest.fixture(scope="module")
def namespace():
    """The command that runs another one without any network."""
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    tried = subprocess.run([*NAMESPACE, *user, "ip", "link", "set", "lo", "up"], capture_output=True, text=True)
    if tried.returncode:
        helm_chart.missing(f"no network namespaces here, so nothing proves an install without one: {tried.stderr}")
    return [*NAMESPACE, *user]


@pytest.fixture(scope="module")
def walled(bake, tmp_path_factory):
    """A project whose lock is cut down to a few packages, and a mirror of these: a folder a package."""
    folder = tmp_path_factory.mktemp("walled")
    project = Path(shutil.copytree(bake(), folder / "my-etl"))
    lock = project / "requirements.lock"
    entries = re.findall(r"^([\w.-]+)(==.*(?:\n {4}.*)*)\n", lock.read_text(), re.MULTILINE)
    lock.write_text("".join(f"{name}{rest}\n" for name, rest in entries if name in KEPT))
    mirrored = folder / "mirrored.lock"
    mirrored.write_text("".join(f"{name}{rest}\n" for name, rest in entries if name in KEPT[1:]))
    wheels = folder / "wheels"
    download = ["pip", "download", "--quiet", "--no-deps", "--require-hashes", "--only-binary=:all:"]
    run(["uv", "tool", "run", *download, "--dest", wheels, "--requirement", mirrored], cwd=folder)
    for wheel in wheels.iterdir():
        name = re.sub(r"[-_.]+", "-", wheel.name.split("-")[0]).lower()
        place = folder / "mirror" / name / wheel.name
        place.parent.mkdir(parents=True)
        shutil.move(wheel, place)
    return project, folder / "mirror"


def installed(namespace, project, tmp_path, mirror=None):
    """Run `make install` without a network, a mirror on loopback beside it; return it, ended."""
    port = free_port()
    script = f"""\
        ip link set lo up
        test "$(ls /sys/class/net)" = lo || test "$(ip -o link | wc -l)" = 1
        {sys.executable} -m http.server --bind 127.0.0.1 --directory {mirror or tmp_path} {port} 2> {tmp_path}/log &
        until (echo > /dev/tcp/127.0.0.1/{port}) 2> /dev/null; do sleep 0.1; done
        make install PYTHON={sys.executable}
    """
    ours = {"UV_CACHE_DIR": str(tmp_path / "cache"), "UV_HTTP_TIMEOUT": "3", "UV_HTTP_RETRIES": "0"}
    if mirror:
        ours["UV_DEFAULT_INDEX"] = f"http://127.0.0.1:{port}/"
    return subprocess.run(
        [*namespace, "bash", "-euc", textwrap.dedent(script)],
        cwd=project,
        env=clean_environment() | ours,
        capture_output=True,
        text=True,
        check=False,
    )


def test_make_install_needs_a_mirror_and_nothing_else(namespace, walled, tmp_path):
    source, mirror = walled
    project = Path(shutil.copytree(source, tmp_path / "my-etl"))
    without = installed(namespace, project, tmp_path)
    assert without.returncode, without.stdout
    assert not (project / ".venv" / ".installed").exists()
    # uv says where it looked.
    assert "simple" in without.stderr

    done = installed(namespace, project, tmp_path, mirror)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (project / ".venv" / ".installed").exists()
    run([project / ".venv/bin/airflow-etl", "--version"], cwd=project)
    asked = (tmp_path / "log").read_text()
    assert "GET /pyyaml/" in asked
    # The tools' own wheel came from vendor/.
    assert "airflow_etl_tools" not in asked


def test_the_mirror_s_files_are_held_to_the_lock(namespace, walled, tmp_path):
    source, mirror = walled
    project = Path(shutil.copytree(source, tmp_path / "my-etl"))
    other = Path(shutil.copytree(mirror, tmp_path / "other"))
    (wheel,) = (other / "pyyaml").iterdir()
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr("something_else.py", "")
    done = installed(namespace, project, tmp_path, other)
    assert done.returncode
    assert re.search("hash mismatch", done.stderr, re.IGNORECASE), done.stderr


@pytest.fixture
def proxy(tmp_path):
    """A real proxy on loopback: its address, and its log."""
    program = shutil.which("tinyproxy")
    if not program:
        helm_chart.missing("tinyproxy is missing (Debian: apt-get install tinyproxy)")
    port, log = free_port(), tmp_path / "proxy.log"
    settings = f'Port {port}\nListen 127.0.0.1\nAllow 127.0.0.1\nTimeout 60\nLogFile "{log}"\nLogLevel Connect\n'
    (tmp_path / "tinyproxy.conf").write_text(settings)
    process = subprocess.Popen([program, "-d", "-c", tmp_path / "tinyproxy.conf"], stdout=subprocess.DEVNULL)
    while not listening(port):
        assert process.poll() is None
        time.sleep(0.05)
    yield f"http://127.0.0.1:{port}", log
    process.send_signal(signal.SIGTERM)
    process.wait()


@pytest.mark.chart
def test_git_sync_goes_through_the_proxy_that_the_values_name(bake_fresh, proxy, tmp_path):
    """The page's values, rendered: what the container has in its environment, git and git-sync go by."""
    address, log = proxy
    folder = tmp_path / "server"
    folder.mkdir()
    with GitHttpsServer(folder) as server:
        project = bake_fresh(**PUBLIC)
        for command in (["add", "--all"], ["commit", "--quiet", "--no-verify", "-m", "Begin"]):
            run(["git", *command], cwd=project)
        run(["git", "push", "--quiet", str(server.repository), "HEAD:refs/heads/main"], cwd=project)
        values = yaml.safe_load((project / "helm" / "values.yaml").read_text())
        texts = re.findall(r"```yaml\n(.*?)```", wall(project / "docs" / "packages.md"), re.DOTALL)
        (text,) = [text for text in texts if "HTTPS_PROXY" in text]
        shown = yaml.safe_load(text)
        assert helm_chart.schema_errors(shown) == []
        values = overlaid(values, shown)
        values["dags"]["gitSync"]["repo"] = server.url
        pod = helm_chart.pod_specs(helm_chart.objects(helm_chart.render(values)))["dag-processor"]
        for container in pod["initContainers"] + pod["containers"]:
            if container["name"].startswith("git-sync"):
                variables = {each["name"]: each.get("value", "") for each in container["env"]}
                assert variables["HTTPS_PROXY"] == "http://proxy.example.com:3128"
        variables |= {"HTTPS_PROXY": address, "GIT_SSL_CAINFO": str(server.certificate)}
        for number, (variables["HTTPS_PROXY"], works) in enumerate(
            [(address, True), (f"http://127.0.0.1:{free_port()}", False)]
        ):
            checkout = tmp_path / f"root-{number}"
            assert fetches(variables | {"GITSYNC_ROOT": str(checkout)}, checkout) == works
        assert f"CONNECT {server.url.removeprefix('https://').partition('/')[0]}" in log.read_text()


def fetches(variables, root):
    """Fetch once with this environment: by git-sync where it is on PATH, else by git, which git-sync calls."""
    ours = {"PATH": os.environ["PATH"], "HOME": str(root), "GIT_CONFIG_GLOBAL": "/dev/null"} | variables
    root.mkdir()
    if shutil.which("git-sync"):
        ours |= {"GITSYNC_ONE_TIME": "true", "GITSYNC_ADD_USER": "false", "GITSYNC_MAX_FAILURES": "0"}
        command = ["git-sync"]
    else:
        ref = variables["GITSYNC_REF"]
        command = ["git", "clone", "--quiet", "--depth=1", f"--branch={ref}", variables["GITSYNC_REPO"], root / "repo"]
    done = subprocess.run(command, env=ours, capture_output=True, text=True, check=False)
    return not done.returncode and (root / "repo" / "dags" / "extract.py").exists()
