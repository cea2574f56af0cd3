"""The git server's keys that pods trust: the published ones, those that a person said yes to, and no revoked one."""

import importlib
import re
import subprocess
import sys

import pytest
import yaml

from tests.conftest import with_tools
from tests.etl_tools.in_process import etl
from tests.servers.git_ssh_server import GitSshServer

# As the hosts publish them. Written down here once more, so that a wrong line and a wrong table cannot agree.
PUBLISHED = {
    "github.com": {
        "ED25519": "+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU",
        "ECDSA": "p2QAMXNIC1TJYWeIOttrVc98/R1BUFWu3/LiyKgUfQM",
        "RSA": "uNiVztksCsDhcc0u9e8BujQXVUpKZIDTMczCvj3tD2s",
    },
    "gitlab.com": {
        "ED25519": "eUXGGm1YGsMAS7vkcx6JOJdOGHPem5gQp4taiCfCLB8",
        "ECDSA": "HbW3g8zUjNSksFbqTiUWPWg2Bq1x8xdGUrliXFzSnUw",
        "RSA": "ROQFvPThGrW4RuWLoL9tq9I9zJ42fK4XywyRtbOz/EQ",
    },
    "bitbucket.org": {
        "ED25519": "ybgmFkzwOSotHTHLJgHO0QN8L0xErw6vd0VhFA9m3SM",
        "ECDSA": "FC73VB6C4OQLSCrjEayhMp9UMxS97caD/Yyi2bhW/J0",
        "RSA": "46OSHA1Rmj8E8ERTC6xkNcmGOw9oFxYr0WF6zWW8l1E",
    },
    "ssh.dev.azure.com": {"RSA": "ohD8VZEXGWo6Ez8GSEJQ9WpafgLFsOfLOtGGQCQo6Og"},
}
REPOSITORIES = {
    "github.com": "git@github.com:acme/my-etl.git",
    "gitlab.com": "git@gitlab.com:acme/data/my-etl.git",
    "bitbucket.org": "ssh://git@bitbucket.org/acme/my-etl.git",
    "ssh.dev.azure.com": "git@ssh.dev.azure.com:v3/acme/data/my-etl",
}
# GitHub's RSA key until March 2023, as its users still have it in their known_hosts.
REVOKED = (
    "ssh-rsa AAAAB3NzaC1yc2EAAAABIwAAAQEAq2A7hRGmdnm9tUDbO9IDSwBK6TbQa+PXYPCPy6rbTrTtw7PHkccKrpp0yVhp5HdEIcKr6pLlVDBf"
    "OLX9QUsyCOV0wzfjIJNlGEYsdlLJizHhbn2mUjvSAHQqZETYP81eFzLQNnPHt4EVVUh7VfDESU84KezmD5QlWpXLmvU31/yMf+Se8xhHTvKSCZIF"
    "ImWwoG6mbUoWf9nzpIoaSjB+weqqUUmpaaasXVal72J+UX2B+2RPW3RcT0eOzQgqlJL3RKrTJvdsjE3JEAvGq3lGHSZXy28G3skua2SmVi/w4yCE"
    "6gbODqnTWlg7+wC604ydGXA8VJiS5ap43JXiUFFAaQ=="
)


@pytest.fixture
def known_hosts(bake, monkeypatch):
    """etl_tools.secrets.known_hosts, imported where a project is."""
    monkeypatch.chdir(bake())
    yield importlib.import_module("etl_tools.secrets.known_hosts")
    for name in [name for name in sys.modules if name.partition(".")[0] == "etl_tools"]:
        del sys.modules[name]


def fingerprints(path):
    """Type → SHA256 fingerprint, as OpenSSH itself computes it."""
    shown = subprocess.run(["ssh-keygen", "-l", "-f", path], capture_output=True, text=True, check=True).stdout
    return {kind: found for found, kind in re.findall(r"SHA256:(\S+) .*\((\w+)\)", shown)}


def git_sync_known_hosts(project):
    return yaml.safe_load((project / "helm/values.yaml").read_text())["dags"]["gitSync"]["knownHosts"]


@pytest.mark.parametrize("host", PUBLISHED)
def test_the_pinned_keys_are_the_published_ones(bake, host):
    project = bake(git_repo=REPOSITORIES[host])
    assert fingerprints(project / "helm/known_hosts") == PUBLISHED[host]
    lines = [line for line in (project / "helm/known_hosts").read_text().splitlines() if not line.startswith("#")]
    assert {line.split()[0] for line in lines} == {host}


def test_the_tools_know_the_same_fingerprints(known_hosts):
    assert {key: host for host, keys in PUBLISHED.items() for key in keys.values()} == known_hosts.PUBLISHED


@pytest.mark.parametrize("repo", [*REPOSITORIES.values(), "ssh://git@git.example:2222/a/b.git"])
def test_values_yaml_holds_the_very_same_lines(bake, known_hosts, repo):
    project = bake(git_repo=repo)
    text = (project / "helm/known_hosts").read_text()
    assert git_sync_known_hosts(project) == text
    values = (project / "helm/values.yaml").read_text()
    assert known_hosts.with_known_hosts(values, text) == values
    assert known_hosts.with_known_hosts(values, "another line\n") != values


def test_github_s_revoked_key_is_refused(known_hosts):
    line = f"github.com {REVOKED}"
    assert known_hosts.fingerprint(line) in known_hosts.REVOKED
    assert "is revoked" in known_hosts.problem(line, "github.com")
    assert "is revoked" in known_hosts.problem(f"git.example {REVOKED}", "git.example")


def test_a_key_that_github_does_not_publish_is_refused(known_hosts, tmp_path):
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "key"], check=True)
    line = "github.com " + " ".join((tmp_path / "key.pub").read_text().split()[:2])
    assert "is not one that github.com publishes" in known_hosts.problem(line, "github.com")
    assert known_hosts.problem(line, "git.example") is None


# --- make known-hosts, with a real server

ask = pytest.mark.servers


def make_known_hosts(project, answer, expect=0):
    done = subprocess.run(
        ["make", "known-hosts"],
        cwd=project,
        input=answer,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert (done.returncode == 0) == (expect == 0), done.stdout
    return done.stdout


@pytest.fixture
def server(tmp_path):
    folder = tmp_path / "server"
    folder.mkdir()
    with GitSshServer(folder) as running:
        yield running


@pytest.fixture
def project(server, bake_fresh):
    return with_tools(bake_fresh(git_repo=server.url))


@ask
def test_shows_the_fingerprints_and_writes_after_a_yes(project, server):
    before = (project / "helm/values.yaml").read_text()
    shown = make_known_hosts(project, "y\n")
    real = fingerprints(server.folder / "host_key.pub")["ED25519"]
    assert f"SHA256:{real}" in shown
    assert f"port {server.port}" in shown

    key = " ".join((server.folder / "host_key.pub").read_text().split()[:2])
    text = (project / "helm/known_hosts").read_text()
    assert text.splitlines()[1:] == [f"[127.0.0.1]:{server.port} {key}"]
    assert git_sync_known_hosts(project) == text
    # Nothing else in the file moved.
    values = (project / "helm/values.yaml").read_text()
    assert values.replace(text.splitlines()[1], "LINE").splitlines() == [
        "      LINE" if "None yet" in line else line for line in before.splitlines()
    ]
    again = make_known_hosts(project, "y\n")
    assert f"SHA256:{real}" in again
    assert (project / "helm/values.yaml").read_text() == values


@ask
@pytest.mark.parametrize("answer", ["", "\n", "n\n", "yess\n"])
def test_writes_nothing_without_a_yes(project, answer):
    before = {name: (project / name).read_bytes() for name in ("helm/known_hosts", "helm/values.yaml")}
    assert "Nothing was written" in make_known_hosts(project, answer, expect=1)
    assert {name: (project / name).read_bytes() for name in before} == before


@ask
def test_an_impostor_of_github_is_refused_unasked(project, server):
    """The server's keys are none of those that the host publishes."""
    script = (
        "import sys; sys.path.insert(0, '.')\n"
        "from etl_tools.secrets import known_hosts\n"
        "known_hosts.PUBLISHED['a fingerprint'] = '127.0.0.1'\n"
        "sys.exit(known_hosts.main())"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "is not one that 127.0.0.1 publishes" in done.stderr
    assert "Nothing was written" in done.stderr


@ask
def test_a_yes_may_be_said_beforehand(project, server):
    """As everywhere: by CONFIRM, where nobody is at a keyboard."""
    refused = etl(project, "known-hosts", expect=1)
    assert refused.splitlines()[-1].endswith("CONFIRM=yes")
    assert "[y/N]" not in etl(project, "known-hosts", CONFIRM="yes")
    assert f"[127.0.0.1]:{server.port} " in (project / "helm/known_hosts").read_text()


@ask
def test_a_server_that_shows_no_key_is_named(project, server):
    server.stop()
    printed = etl(project, "known-hosts", expect=1)
    assert "shows no SSH key at port" in printed
    assert "are you on its network?" in printed
    server.start()


def test_https_needs_no_host_keys(bake):
    project = bake(git_access="public", git_repo="https://github.com/acme/my-etl.git")
    assert not (project / "helm/known_hosts").exists()
    assert "known-hosts" not in (project / "Makefile").read_text()
