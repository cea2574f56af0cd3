"""`make doctor` where git is read over HTTPS: with a token, without one, and from a public repository."""

import subprocess

import pytest

from tests.cluster.test_doctor import broken, doctor, git
from tests.conftest import bake_into
from tests.servers.git_https_server import GitHttpsServer

pytestmark = pytest.mark.servers
TOKEN = "ghp_" + "a" * 36


def pushed(server, folder, access):
    """Return a project of this way of access, its commits in the server's repository."""
    project = bake_into(folder, git_access=access, git_repo=server.url)
    git(project, "add", "--all")
    git(project, "commit", "--quiet", "-m", "Begin")
    subprocess.run(["git", "push", "--quiet", server.repository, "main"], cwd=project, check=True)
    return project


@pytest.fixture(scope="module")
def private(tmp_path_factory):
    with GitHttpsServer(tmp_path_factory.mktemp("private"), TOKEN) as server:
        yield server


@pytest.fixture(scope="module")
def with_token(private, tmp_path_factory):
    return pushed(private, tmp_path_factory.mktemp("with-token"), "https-token")


def test_the_token_opens_the_repository(with_token, private):
    report = doctor(with_token, GIT_TOKEN=TOKEN, GIT_SSL_CAINFO=str(private.certificate))
    assert "opens with the token alone" in report
    assert "dags/ on branch main, commit" in report
    assert TOKEN not in report


def test_commits_of_others_are_fetched_with_the_token(with_token, private, tmp_path):
    subprocess.run(["git", "clone", "--quiet", "--no-local", with_token, tmp_path / "clone"], check=True)
    clone = tmp_path / "clone"
    subprocess.run(["git", "commit", "--quiet", "--amend", "-m", "Another"], cwd=clone, check=True)
    report = doctor(clone, expect=None, GIT_TOKEN=TOKEN, GIT_SSL_CAINFO=str(private.certificate))
    assert "dags/ on branch main, commit" in report


def test_a_wrong_token_is_named(with_token, private):
    found = broken(doctor(with_token, expect=1, GIT_TOKEN="wrong", GIT_SSL_CAINFO=str(private.certificate)))
    cure = found["the server refuses the token, or it may not read this repository"]
    assert "GIT_TOKEN=… make secrets" in cure


def test_without_a_token_the_server_is_not_asked(with_token):
    report = doctor(with_token)
    assert "not asked, there is no token" in report


def test_a_certificate_that_nobody_knows_is_named(with_token):
    found = broken(doctor(with_token, expect=1, GIT_TOKEN=TOKEN))
    assert any("certificate is not one that this machine trusts" in what for what in found), found


def test_a_public_repository_needs_no_login(tmp_path):
    with GitHttpsServer(tmp_path) as server:
        project = pushed(server, tmp_path / "project", "public")
        report = doctor(project, GIT_SSL_CAINFO=str(server.certificate))
    assert "opens with no login" in report
    assert not broken(report)


def test_a_private_repository_called_public_is_named(tmp_path):
    with GitHttpsServer(tmp_path, TOKEN) as server:
        project = pushed(server, tmp_path / "project", "public")
        found = broken(doctor(project, expect=1, GIT_SSL_CAINFO=str(server.certificate)))
    assert "the repository is private, and git has no token for it" in found
