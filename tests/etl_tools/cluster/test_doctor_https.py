"""`make doctor` where git is read over HTTPS: with a token, as a GitHub App, and from a public repository."""

import json
import subprocess
import sys

import pytest

from tests.conftest import bake_into, with_tools
from tests.etl_tools.cluster.test_doctor import broken, command, doctor, git
from tests.servers import github_app
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
    assert "GIT_TOKEN=… make rotate NAME=git_token" in cure


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


@pytest.fixture(scope="module")
def with_app(tmp_path_factory):
    """A GitHub Enterprise Server, a project that an App reads from it, and the App's private key."""
    pem, public = github_app.new_key()
    with GitHttpsServer(tmp_path_factory.mktemp("app"), github_app.TOKEN, public) as server:
        project = with_tools(pushed(server, tmp_path_factory.mktemp("with-app"), "github-app"))
        yield server, project, pem


def as_app(with_app, expect=0, **files):
    server, project, pem = with_app
    github_app.put_files(project, **{"pem": pem} | files)
    subprocess.run(["make", "keys"], cwd=project, check=True, capture_output=True)
    return doctor(project, expect=expect, GIT_SSL_CAINFO=str(server.certificate))


def test_the_app_opens_the_repository(with_app):
    report = as_app(with_app)
    assert "opens with the GitHub App alone" in report
    assert "dags/ on branch main, commit" in report
    assert github_app.TOKEN not in report
    assert not broken(report)


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"pem": github_app.new_key()[0]}, "GitHub knows no App of this ID with this key"),
        ({"app": "654321"}, "GitHub knows no App of this ID with this key"),
        ({"installation": "1"}, "the App has no installation of this ID"),
    ],
    ids=["key", "app", "installation"],
)
def test_what_is_wrong_with_the_app_is_named(with_app, files, words):
    found = broken(as_app(with_app, expect=1, **files))
    assert "OVERWRITE=my-etl-github-app make secrets" in found[words]
    assert "/organizations/acme/settings/apps" in found[words]


def test_an_app_that_may_not_see_the_repository_is_named(with_app):
    """GitHub gives the token and then says that there is no such repository."""
    server = with_app[0]
    moved = server.repository.rename(server.repository.with_name("other.git"))
    try:
        found = broken(as_app(with_app, expect=1))
    finally:
        moved.rename(server.repository)
    (fix,) = [fix for what, fix in found.items() if "has no repository acme/my-etl.git" in what]
    assert fix.endswith("or let the App's installation see it")


def test_without_the_app_s_files_the_server_is_not_asked(with_app):
    _, project, _ = with_app
    (project / "secrets/github_app_id").unlink(missing_ok=True)
    assert "not asked, secrets lacks github_app_id" in doctor(project, expect=None)


@pytest.mark.parametrize(
    ("status", "words", "meaning"),
    [
        (401, "A JSON web token could not be decoded", "GitHub knows no App of this ID with this key"),
        (404, "Integration not found", "GitHub knows no App of this ID with this key"),
        (404, "Not Found", "the App has no installation of this ID"),
        (403, "This installation has been suspended", "the App's installation is suspended"),
        (
            401,
            "'Expiration time' claim ('exp') is too far in the future",
            "GitHub finds this clock wrong",
        ),
    ],
)
def test_what_git_sync_and_the_provider_say_is_explained(bake, status, words, meaning):
    body = json.dumps({"message": words, "documentation_url": github_app.DOCUMENTATION})
    script = "import sys; from etl_tools.cluster.doctor.repository import explained; print(explained(sys.argv[1])[0])"
    # As git-sync 4.4 and PyGithub 2 put it.
    for said in (
        f"GitHub app installation endpoint returned status {status}, body: {json.dumps(body)}",
        f"github.GithubException.GithubException: {status} {body}",
    ):
        assert command(bake(git_access="github-app"), sys.executable, "-c", script, said).strip() == meaning
