"""`make doctor` against a real SSH server: every damage that costs people days is named, with what fixes it."""

import base64
import contextlib
import functools
import os
import re
import shutil
import socket
import subprocess
import threading
from pathlib import Path

import pytest
import yaml

from tests.conftest import bake_into, clean_environment, with_tools
from tests.etl_tools.cluster import helm_chart
from tests.etl_tools.in_process import etl, evaluate
from tests.servers.git_ssh_server import GitSshServer

pytestmark = pytest.mark.servers

# As a laptop without a cluster has it.
NO_CLUSTER = {"KUBECONFIG": "/nonexistent", "HELM": "/nonexistent/helm"}
FIX_KEY = ".venv/bin/airflow-etl deploy-key"


def command(project, *arguments, expect=0, answer="", **variables):
    """Run a command as a laptop without a cluster would; return both streams."""
    environment = clean_environment() | NO_CLUSTER | variables
    done = subprocess.run(
        arguments,
        cwd=project,
        env={name: value for name, value in environment.items() if value is not None},
        input=answer,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert expect is None or done.returncode == expect, done.stdout
    return done.stdout


def doctor(project, *arguments, expect=0, **variables):
    return etl(project, "doctor", *arguments, expect=expect, **NO_CLUSTER | variables)


def broken(report):
    """What is marked ✗ → the line below it, which fixes it."""
    return dict(re.findall(r"^✗ (.*)\n {4}(.*)$", report, re.MULTILINE))


def git(project, *arguments):
    subprocess.run(["git", *arguments], cwd=project, check=True, capture_output=True)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with GitSshServer(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture(scope="module")
def deployed(server, tmp_path_factory):
    """Type of deploy key → a project that is `deploy`ed; each is made once."""

    @functools.cache
    def with_key(kind):
        return deploy(server, tmp_path_factory.mktemp(kind), kind)

    return with_key


def deploy(server, folder, kind):
    """Return a project whose host keys are known and whose every commit is pushed."""
    project = bake_into(folder, git_repo=server.url, __deploy_key_type=kind)
    etl(project, "known-hosts", answer="y\n")
    etl(project, "keys")
    git(project, "add", "--all")
    git(project, "commit", "--quiet", "-m", "Start")
    return project


@pytest.fixture
def kind():
    """The type of the deploy key, where a test does not ask for both."""
    return "ed25519"


both_kinds_of_key = pytest.mark.parametrize("kind", ["ed25519", "rsa-4096"])


@pytest.fixture
def project(deployed, server, kind, tmp_path):
    """A deployed project, its key registered, to damage."""
    whole = deployed(kind)
    server.register((whole / "secrets/deploy_key.pub").read_text())
    server.publish(whole)
    return Path(shutil.copytree(whole, tmp_path / "my-etl", symlinks=True))


@pytest.fixture
def key(project):
    return project / "secrets/deploy_key"


@both_kinds_of_key
def test_finds_nothing_where_nothing_is_broken(project):
    report = doctor(project)
    assert not broken(report)
    for good in (
        "opens with the deploy key alone",
        "dags/ on branch main, commit",
        "every commit of main is pushed",
        "helm/known_hosts: keys of [127.0.0.1]:",
        "well formed, no passphrase",
        "git ignores secrets/",
        "can be read by its owner only",
        "repository, branch and subPath as in pyproject.toml",
    ):
        assert re.search(f"^✓ .*{re.escape(good)}", report, re.MULTILINE), f"{good}\n{report}"
    # The cluster could not be looked at: that is said, and not called well.
    assert "No fault was found; what could not be looked at" in report
    assert "Nothing is broken" not in report
    # Nor the DAG files, for the tests' own environment has no Airflow.
    assert "the integrity checks did not run: there is no Airflow here" in report


def test_changes_nothing(project):
    def state():
        paths = [path for path in project.rglob("*") if ".git" not in path.parts and "__pycache__" not in path.parts]
        return {path: (path.stat().st_mtime_ns, path.stat().st_mode) for path in paths if not path.is_dir()}

    before = state()
    doctor(project)
    assert state() == before


@both_kinds_of_key
def test_reads_the_branch_that_this_checkout_does_not_have(project, tmp_path):
    """Somebody else's laptop: the commits come from the server, by the deploy key."""
    shutil.rmtree(project / ".git")
    git(project, "init", "--quiet")
    git(project, "symbolic-ref", "HEAD", "refs/heads/main")
    report = doctor(project, expect=1)
    assert re.search(r"^✓ dags/ on branch main, commit \w{7}: \d+ Python files", report, re.MULTILINE), report
    assert "the server has commits that this checkout has not" in report


def test_the_users_own_settings_do_not_count(project, server, tmp_path):
    """A rewritten address, an agent's keys, another ssh: all that a pod has not."""
    settings = tmp_path / "gitconfig"
    settings.write_text(f'[url "ssh://nobody@127.0.0.1:1/"]\n\tinsteadOf = {server.url.rpartition("/")[0]}/\n')
    git(project, "config", "url.ssh://nobody@127.0.0.1:2/.insteadOf", server.url)
    own = {"GIT_CONFIG_GLOBAL": str(settings), "GIT_SSH_COMMAND": "false", "GIT_SSH": "false"}
    assert "opens with the deploy key alone" in doctor(project, **own)


# What people do to a key on its way through editors, chats and clipboards.
TEXT_DAMAGE = {
    "crlf": (lambda text: text.replace(b"\n", b"\r\n"), "CRLF"),
    "no final newline": (lambda text: text.rstrip(b"\n"), "has no newline at its end"),
    "trailing spaces": (lambda text: text.replace(b"\n", b"  \n"), "spaces or other text around its lines"),
    "indented": (lambda text: b"    " + text.replace(b"\n", b"\n    "), "has no newline at its end"),
    "indented with a newline": (lambda text: b"  " + text, "spaces or other text around its lines"),
    "byte order mark": (lambda text: b"\xef\xbb\xbf" + text, "byte order mark"),
    "utf-16": (lambda text: text.decode().encode("utf-16"), "byte order mark"),
    "one line": (lambda text: text.strip().replace(b"\n", b" "), "is on one line"),
    "escaped newlines": (lambda text: text.replace(b"\n", b"\\n"), "is on one line"),
    "base64": (base64.encodebytes, "encoded in base64 once too often"),
    "double base64": (lambda text: base64.b64encode(base64.b64encode(text)), "encoded in base64 once too often"),
}


@both_kinds_of_key
@pytest.mark.parametrize("damage", TEXT_DAMAGE)
def test_a_damaged_key_is_named_and_the_printed_command_fixes_it(project, key, damage):
    change, words = TEXT_DAMAGE[damage]
    whole = key.read_bytes()
    key.write_bytes(change(whole))
    assert key.read_bytes() != whole

    found = broken(doctor(project, expect=1))
    assert [fix for what, fix in found.items() if words in what] == [FIX_KEY], found

    command(with_tools(project), "sh", "-c", FIX_KEY)
    assert key.read_bytes() == whole
    assert key.stat().st_mode & 0o777 == 0o600
    assert not broken(doctor(project))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"ghp_" + b"a" * 36 + b"\n", "holds a token, not an SSH key"),
        (b"glpat-" + b"a" * 20, "holds a token, not an SSH key"),
        (b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ5o me\n", "holds the public key"),
        (b"PuTTY-User-Key-File-3: ssh-ed25519\n", "is a PuTTY key"),
        (b"hello\n", "holds no complete private key"),
        (b"-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n", "is not a complete key"),
    ],
    ids=["empty", "github-token", "gitlab-token", "public-key", "putty", "text", "cut"],
)
def test_something_else_in_place_of_the_key_is_named(project, key, content, words):
    key.write_bytes(content)
    found = broken(doctor(project, expect=1))
    fix = next(fix for what, fix in found.items() if words in what)
    assert "make keys" in fix
    fixed = command(project, "sh", "-c", FIX_KEY, expect=None)
    assert key.read_bytes() == content, fixed


@both_kinds_of_key
def test_a_passphrase_is_named(project, key):
    subprocess.run(["ssh-keygen", "-q", "-p", "-P", "", "-N", "geheim", "-f", key], check=True, capture_output=True)
    found = broken(doctor(project, expect=1))
    fix = next(fix for what, fix in found.items() if "has a passphrase" in what)
    assert fix.startswith('ssh-keygen -p -N "" -f secrets/deploy_key')
    remove = fix.split(", then ")[0].replace("-p ", "-p -P geheim ")  # the prompt that a person would answer
    command(project, "sh", "-c", remove)
    etl(project, "keys")
    assert not broken(doctor(project))


@both_kinds_of_key
def test_a_key_that_is_not_registered_is_named(project, key):
    for path in (key, Path(f"{key}.pub")):
        path.unlink()
    etl(project, "keys")
    found = broken(doctor(project, expect=1))
    assert found["127.0.0.1 does not know this deploy key"].startswith("register the key that make keys shows at ")


@both_kinds_of_key
def test_a_public_half_of_another_key_is_named(project, key):
    Path(f"{key}.pub").write_text("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ5o other\n")
    found = broken(doctor(project, expect=1))
    fix = found["secrets/deploy_key.pub does not belong to secrets/deploy_key"]
    command(project, "sh", "-c", fix.split(", ")[0])
    assert not broken(doctor(project))


@both_kinds_of_key
def test_a_key_that_others_may_read_is_named_and_the_printed_command_fixes_it(project, key):
    key.chmod(0o644)
    found = broken(doctor(project, expect=1))
    fix = next(fix for what, fix in found.items() if "others on this machine may read deploy_key" in what)
    assert "others may read the deploy key, so ssh refuses it" in found
    command(project, "sh", "-c", fix)
    assert not broken(doctor(project))


def test_a_missing_key_is_named(project, key):
    key.unlink()
    found = broken(doctor(project, expect=1))
    # A new one would be another one than the cluster's and the git server's.
    assert found["secrets/ lacks deploy_key"].startswith("make keys-from-cluster; ")


# --- The server's keys


def write_known_hosts(project, text):
    """Write both copies, as make known-hosts does."""
    values = project / "helm/values.yaml"
    (project / "helm/known_hosts").write_text(text)
    filled = evaluate(
        project, "secrets.known_hosts", lambda known_hosts: known_hosts.with_known_hosts(values.read_text(), text)
    )
    values.write_text(filled)
    etl(project, "keys")


@both_kinds_of_key
def test_another_host_key_is_named(project, server):
    other = GitSshServer.new_host_key(server, f"other-{project.parent.name}")
    write_known_hosts(project, f"[127.0.0.1]:{server.port} {' '.join(other)}\n")
    found = broken(doctor(project, expect=1))
    what = "127.0.0.1 shows another key than helm/known_hosts holds: is it new, or is somebody in between?"
    assert found[what].startswith("make known-hosts")
    command(with_tools(project), "make", "known-hosts", answer="y\n")
    command(project, "make", "keys")
    assert not broken(doctor(project))


@both_kinds_of_key
@pytest.mark.parametrize("text", ["", "# none\n", "[127.0.0.1]:1 KEY\n", "git.example KEY\n"])
def test_no_host_key_for_this_address_and_port_is_named(project, server, text):
    key = " ".join((server.folder / "host_key.pub").read_text().split()[:2])
    write_known_hosts(project, text.replace("KEY", key))
    found = broken(doctor(project, expect=1))
    assert any(f"has no key of [127.0.0.1]:{server.port}" in what for what in found), found
    # That ssh refuses the server for it is the same finding.
    assert list(found.values()) == ["make known-hosts"], found
    command(with_tools(project), "make", "known-hosts", answer="y\n")
    command(project, "make", "keys")
    assert not broken(doctor(project))


def test_a_host_key_without_the_port_will_do(project, server):
    """OpenSSH takes the host's line, too, where there is none with the port."""
    key = " ".join((server.folder / "host_key.pub").read_text().split()[:2])
    write_known_hosts(project, f"127.0.0.1 {key}\n")
    assert not broken(doctor(project))


@both_kinds_of_key
def test_no_known_hosts_file_is_named(project):
    (project / "helm/known_hosts").unlink()
    found = broken(doctor(project, expect=1))
    assert "make known-hosts" in found.values()


def test_the_copy_in_values_yaml_is_compared(project):
    with (project / "helm/known_hosts").open("a") as file:
        file.write("# another line\n")
    found = broken(doctor(project, expect=1))
    assert found["helm/values.yaml: knownHosts differs from helm/known_hosts"].startswith("make known-hosts")


# --- Branch, subPath, commits


def replace(project, name, old, new):
    path = project / name
    text = path.read_text()
    assert old in text, text
    path.write_text(text.replace(old, new))


@both_kinds_of_key
def test_a_branch_that_is_not_there_is_named(project):
    replace(project, "pyproject.toml", 'git_branch = "main"', 'git_branch = "production"')
    replace(project, "helm/values.yaml", 'ref: "main"', 'ref: "production"')
    found = broken(doctor(project, expect=1))
    assert "git push -u origin production" in found["the repository has no branch production"]


def test_an_environment_has_a_branch_or_tag_and_keys_of_its_own(project, server):
    with (project / "pyproject.toml").open("a") as file:
        file.write('\n[tool.airflow-etl.environments.staging]\nnamespace = "airflow-staging"\ngit_branch = "v1"\n')
    report = doctor(project, ENV="staging")
    assert "there are no keys in this checkout" in report
    staging = project / "secrets/staging"
    staging.mkdir(mode=0o700)
    for name in ("deploy_key", "deploy_key.pub"):
        shutil.copy(project / "secrets" / name, staging)
    etl(project, "keys", ENV="staging")
    found = broken(doctor(project, expect=1, ENV="staging"))
    assert list(found) == ["the repository has no branch v1"]
    git(project, "tag", "--annotate", "-m", "First", "v1")
    server.publish(project)
    assert "✓ dags/ on branch v1, commit " in doctor(project, ENV="staging")


@both_kinds_of_key
def test_a_subpath_that_is_not_there_is_named(project):
    replace(project, "pyproject.toml", 'dags_subpath = "dags"', 'dags_subpath = "dag"')
    replace(project, "helm/values.yaml", 'subPath: "dags"', 'subPath: "dag"')
    found = broken(doctor(project, expect=1))
    what = next(what for what in found if "there is no Python file in dag/ on branch main" in what)
    assert "Python files are in dags" in what
    assert "subPath in helm/values.yaml" in found[what]


@both_kinds_of_key
def test_a_wrong_path_on_the_server_is_named(project, server):
    for name in ("pyproject.toml", "helm/values.yaml"):
        replace(project, name, server.url, server.url.replace("my-etl.git", "other.git"))
    found = broken(doctor(project, expect=1))
    assert any("has no repository" in what and "other.git that this login may see" in what for what in found), found


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("ssh://git@github.com:acme/my-etl.git", "mixes two forms"),
        ("git@git.example:2222/acme/my-etl.git", "cannot hold a port in this form"),
        ("https://github.com/acme/my-etl.git", "a deploy key works over SSH only"),
    ],
)
def test_a_mixed_up_url_is_named(project, server, url, words):
    for name in ("pyproject.toml", "helm/values.yaml"):
        replace(project, name, server.url, url)
    assert any(words in what for what in broken(doctor(project, expect=1)))


def test_a_server_that_is_not_there_is_named(project, server):
    closed = server.url.replace(f":{server.port}", ":1")
    for name in ("pyproject.toml", "helm/values.yaml"):
        replace(project, name, server.url, closed)
    assert "127.0.0.1 has no git server at port 1" in broken(doctor(project, expect=1))


@pytest.fixture(params=["hangs up", "speaks HTTP", "is silent"])
def no_ssh_server(request):
    """Something at a port that is no SSH server, and what the doctor should say about it."""
    words = {
        "hangs up": "has no git server at port",
        "speaks HTTP": "has no git server at port",
        "is silent": "does not answer at port",
    }[request.param]
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer():
            with contextlib.suppress(OSError):
                while True:
                    connection = listening.accept()[0]
                    if request.param == "is silent":
                        kept.append(connection)
                        continue
                    if request.param == "speaks HTTP":
                        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n" * 2000)
                        connection.shutdown(socket.SHUT_WR)
                        connection.recv(1000)
                    connection.close()

        kept = []
        threading.Thread(target=answer, daemon=True).start()
        yield listening.getsockname()[1], words
        for connection in kept:
            connection.close()


def test_a_server_of_another_kind_is_named(project, server, no_ssh_server):
    port, words = no_ssh_server
    for name in ("pyproject.toml", "helm/values.yaml"):
        replace(project, name, server.url, server.url.replace(f":{server.port}", f":{port}"))
    found = broken(doctor(project, expect=1))
    assert any(f"127.0.0.1 {words} {port}" in what for what in found), found


def test_a_host_that_does_not_exist_is_named(project, server):
    for name in ("pyproject.toml", "helm/values.yaml"):
        replace(project, name, server.url, "git@git.invalid:acme/my-etl.git")
    found = broken(doctor(project, expect=1))
    assert "pyproject.toml" in found["there is no server git.invalid, or no network"]


def test_commits_that_are_not_pushed_are_named(project, server):
    (project / "dags/new.py").write_text("from airflow.sdk import dag\n")
    found = broken(doctor(project, expect=1))
    assert found["not committed: dags/new.py"] == "git add dags && git commit && git push origin main"
    git(project, "add", "dags")
    git(project, "commit", "--quiet", "-m", "Add a DAG")
    found = broken(doctor(project, expect=1))
    assert found == {"commits of main that are not pushed: 1": "git push origin main"}


# --- values.yaml and secrets/


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('branch: ""', 'branch: "main"', "dags.gitSync.branch is main, which wins over ref"),
        ('    rev: ""\n', "", "dags.gitSync.rev is left to the chart's default, which wins over ref"),
        ('subPath: "dags"', 'subPath: "dag"', 'dags.gitSync.subPath is dag, pyproject.toml says "dags"'),
        ('ref: "main"', 'ref: "develop"', 'dags.gitSync.ref is develop, pyproject.toml says "main"'),
        ("enabled: true\n    repo", "enabled: false\n    repo", "dags.gitSync.enabled is False, and no pod gets a DAG"),
        ("sshKeySecret: my-etl-git-ssh", "sshKeySecret: airflow-ssh-secret", "sshKeySecret is airflow-ssh-secret"),
        ("executor:", "webserver:\n  replicas: 2\nexecutor:", "webserver is of an older chart and ignored"),
        ("executor:", "fernetKey: abc\nexecutor:", "fernetKey holds a secret in the clear"),
        ("executor:", "redis2:\n  token: ghp_" + "a1" * 18 + "\nexecutor:", "holds a GitHub token"),
    ],
)
def test_values_that_bring_no_dag_or_a_secret_are_named(project, old, new, words):
    replace(project, "helm/values.yaml", old, new)
    found = broken(doctor(project, expect=1))
    assert any(words in what for what in found), found


def test_this_checkouts_own_password_in_values_yaml_is_named(project):
    password = (project / "secrets/postgres_password").read_text()
    replace(project, "helm/values.yaml", "executor:", f"somewhere: {password}\nexecutor:")
    assert any("the value of secrets/postgres_password" in what for what in broken(doctor(project, expect=1)))


def test_secrets_in_git_are_named(project):
    git(project, "add", "--force", "secrets/jwt_secret")
    found = broken(doctor(project, expect=1))
    assert "git rm --cached -- secrets/jwt_secret" in found["git tracks secrets/jwt_secret"]
    git(project, "commit", "--quiet", "-m", "Oops")
    git(project, "rm", "--quiet", "--cached", "secrets/jwt_secret")
    git(project, "commit", "--quiet", "-m", "Take it out again")
    found = broken(doctor(project, expect=1))
    assert any("the history holds secrets since commit" in what for what in found), found


def test_secrets_that_git_would_take_are_named_and_the_printed_command_fixes_it(project):
    (project / "secrets/.gitignore").write_text("")
    replace(project, ".gitignore", "/secrets/*\n", "")
    found = broken(doctor(project, expect=1))
    fix = next(fix for what, fix in found.items() if "git does not ignore" in what)
    command(project, "sh", "-c", fix)
    assert not broken(doctor(project))


# --- The chart, with the real Helm


@pytest.fixture(scope="module")
def chart(tmp_path_factory):
    """The chart without the archive of its database, which is not needed to check values."""
    helm_chart.chart()
    folder = tmp_path_factory.mktemp("chart")
    if helm_chart.chart_path().is_dir():
        shutil.copytree(helm_chart.chart_path(), folder / "airflow")
    else:
        shutil.unpack_archive(helm_chart.chart_path(), folder)
    description = folder / "airflow/Chart.yaml"
    content = yaml.safe_load(description.read_text())
    content.pop("dependencies", None)
    description.write_text(yaml.safe_dump(content))
    (folder / "airflow/Chart.lock").unlink(missing_ok=True)
    return folder / "airflow"


def test_values_are_checked_against_the_chart(project, chart):
    helm = {"HELM": str(helm_chart.tools() / "helm"), "CHART": str(chart)}
    report = doctor(project, **helm)
    assert "✓ helm v" in report
    assert "✓ the values fit the chart, and the chart renders" in report
    assert "fit the chart" not in doctor(project, "--offline", **helm, CI=None)
    assert "✓ the values fit the chart, and the chart renders" in doctor(project, "--offline", **helm, CI="true")
    overlay = "helm/values.production.yaml"
    replace(project, overlay, "\nscheduler:\n", "\nscheduler:\n  replicaz: 3\n")
    (what,) = [what for what in broken(doctor(project, expect=1, **helm)) if "chart" in what]
    assert what.startswith(f"with {overlay}: the values do not fit the chart: at '/scheduler'")
    replace(project, "helm/values.yaml", "executor:", "scheduller:\n  replicas: 2\nexecutor:")
    found = broken(doctor(project, expect=1, **helm))
    assert any("the chart has no value scheduller, and ignores it" in what for what in found), found
    replace(project, "helm/values.yaml", "depth: 1", "depht: 1")
    found = broken(doctor(project, expect=1, **helm))
    assert any("the values do not fit the chart: at '/dags/gitSync'" in what and "depht" in what for what in found), (
        found
    )


def test_an_old_helm_is_named(project, tmp_path):
    helm = tmp_path / "helm"
    helm.write_text("#!/bin/sh\necho v3.12.3\n")
    helm.chmod(0o755)
    found = broken(doctor(project, expect=1, HELM=str(helm)))
    assert any(what.startswith(f"{helm} has Helm v3.12.3, the chart needs 3.19 or newer") for what in found)


# --- Without a server


def test_offline_asks_nobody(project, server):
    report = doctor(project, "--offline", PATH=os.environ["PATH"])
    assert "opens with" not in report
    assert "cluster" not in report
    assert "well formed, no passphrase" in report


def test_a_fresh_clone_without_keys_is_fine_offline(project, tmp_path):
    """CI has the repository and no secrets."""
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", project, clone)
    report = doctor(clone, "--offline")
    assert "there are no keys in this checkout" in report


def test_without_git_and_ssh_it_says_so(project, tmp_path):
    tools = tmp_path / "bin"
    tools.mkdir()
    report = doctor(project, expect=1, PATH=str(tools))
    found = broken(report)
    assert "git is not on PATH" in found
    assert "ssh-keygen is not on PATH" in found
    assert "failed itself" not in report


def test_the_page_that_the_doctor_names_is_there(project):
    (project / "dags/new.py").write_text("")
    page = re.search(r"More in (\S+)\.$", doctor(project, expect=1), re.MULTILINE)[1]
    assert (project / page).read_text().startswith("# My DAG does not show up\n")
