"""The git server that the scenario brings along as a pod (real/git_server.py), here as a process, asked by git and ssh.

In the pod asyncssh is the stock image's; here the same release is installed for this test.
"""

import os
import re
import subprocess
import sys

import pytest

from tests.conftest import TEMPLATE, run
from tests.etl_tools.cluster.real.world import GIT_SERVER
from tests.servers.ports import free_port, listening

pytestmark = pytest.mark.servers
STOCK_IMAGE = (TEMPLATE / "src/dag_integrity/stock_image.txt").read_text()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A running server: its folder and its address."""
    folder = tmp_path_factory.mktemp("git")
    (pin,) = re.findall(r"^asyncssh==\S+", STOCK_IMAGE, re.MULTILINE)
    install = ["uv", "pip", "install", "--quiet", "--python", sys.executable, "--target", folder / "packages", pin]
    run(install, cwd=folder)
    port, environment = free_port(), os.environ | {"PYTHONPATH": str(folder / "packages")}
    with subprocess.Popen(
        [sys.executable, GIT_SERVER, folder / "srv", str(port), "127.0.0.1"], env=environment
    ) as running:
        try:
            while not listening(port):
                assert running.poll() is None
            yield folder / "srv", f"ssh://git@127.0.0.1:{port}/quakes.git"
        finally:
            running.terminate()


@pytest.fixture
def person(server, tmp_path):
    """Return a function: what a key may do → git with that key, in a checkout."""

    def with_key(may):
        key = tmp_path / may
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], cwd=tmp_path)
        if may != "nothing":
            with (server[0] / "authorized_keys").open("a") as registered:
                registered.write(f"{may} {key.with_suffix('.pub').read_text()}")
        ssh = f"ssh -i {key} -o IdentitiesOnly=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile={tmp_path}/known"
        checkout = tmp_path / f"checkout-{may}"
        checkout.mkdir()
        run(["git", "init", "--quiet", "--initial-branch=main"], cwd=checkout)
        run(["git", "remote", "add", "origin", server[1]], cwd=checkout)
        return lambda *words, expect=0: run(["git", *words], cwd=checkout, expect=expect, GIT_SSH_COMMAND=ssh)

    return with_key


def test_a_person_pushes_and_a_deploy_key_reads(server, person):
    writes, reads = person("writes"), person("reads")
    writes("commit", "--quiet", "--allow-empty", "-m", "Start")
    writes("push", "--quiet", "-u", "origin", "main")
    assert "refs/heads/main" in reads("ls-remote")
    reads("fetch", "--quiet", "--depth=1", "origin", "main")
    assert "this deploy key may only read" in reads("push", "origin", "FETCH_HEAD:refs/heads/x", expect=128)
    # What one of the scenario's breakages does, and its cure.
    writes("push", "--quiet", "origin", ":main")
    assert "couldn't find remote ref main" in reads("fetch", "origin", "main", expect=128)
    writes("push", "--quiet", "-u", "origin", "main")


def test_it_says_no_as_a_git_host_does(server, person):
    assert "Permission denied (publickey)" in person("nothing")("ls-remote", expect=128)
    other = server[1].replace("quakes.git", "other.git")
    assert "Repository not found" in person("reads")("ls-remote", other, expect=128)


def test_known_hosts_gets_its_key(server, tmp_path):
    port = server[1].rpartition(":")[2].partition("/")[0]
    printed = run(["ssh-keyscan", "-T", "10", "-p", port, "127.0.0.1"], cwd=tmp_path)
    assert f"[127.0.0.1]:{port} ssh-ed25519 " in printed
