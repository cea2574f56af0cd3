"""The keys of a project: what it makes, who can read it, that it changes no key."""

import base64
import importlib
import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from tests.conftest import clean_environment, secret_manifests
from tests.etl_tools.in_process import completed
from tests.servers import github_app

TEXTS = {
    "fernet_key",
    "api_secret_key",
    "jwt_secret",
    "postgres_password",
    "redis_password",
    "admin_password",
}
APP = {"git_access": "github-app", "git_repo": "https://github.com/acme/my-etl.git"}
EVERYTHING = TEXTS | {"deploy_key", "deploy_key.pub"}


@pytest.fixture
def project(bake_fresh):
    """The default project without its keys, in git, as if somebody had just cloned it."""
    return without_keys(bake_fresh())


def without_keys(project):
    for path in secret_files(project):
        path.unlink()
    (project / "secrets").chmod(0o755)
    subprocess.run(["git", "init", "--quiet"], cwd=project, check=True)
    return project


def secret_files(project):
    return [path for path in (project / "secrets").iterdir() if path.name != ".gitignore"]


def names(project):
    return {path.name for path in secret_files(project)}


def snapshot(project):
    """Name → content, mode and time of change of everything in secrets/, and of the folder itself."""
    folder = project / "secrets"
    files = {path.name: (path.read_bytes(), path.stat()) for path in folder.iterdir()}
    seen = {name: (content, s.st_mode, s.st_mtime_ns, s.st_ino) for name, (content, s) in files.items()}
    return seen | {".": (folder.stat().st_mode, folder.stat().st_mtime_ns)}


def run_keys(project, *, code=0, env=None):
    done = completed(project, ["keys"], env or clean_environment())
    assert done.returncode == code, done.stdout + done.stderr
    return done


def start_keys(project, *, code=0, **options):
    """In a process of its own."""
    command = [sys.executable, "-m", "etl_tools.cli", "keys"]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False, **options)
    assert done.returncode == code, done.stdout + done.stderr
    return done


def ssh_keygen(*arguments):
    done = subprocess.run(["ssh-keygen", *map(str, arguments)], capture_output=True, text=True, check=True)
    return done.stdout


def manifest(project):
    """Secret name → key → bytes, as kubectl would send them."""
    secrets = {}
    for document in secret_manifests(project):
        assert (document["apiVersion"], document["kind"], document["type"]) == ("v1", "Secret", "Opaque")
        assert document["metadata"]["namespace"] == "airflow"
        data = {key: base64.b64decode(value, validate=True) for key, value in document["data"].items()}
        secrets[document["metadata"]["name"]] = data
    return secrets


@pytest.fixture
def git_server(bake, monkeypatch):
    """etl_tools.secrets.git_server, imported where a project is."""
    monkeypatch.chdir(bake())
    yield importlib.import_module("etl_tools.secrets.git_server")
    for name in [name for name in sys.modules if name.partition(".")[0] == "etl_tools"]:
        del sys.modules[name]


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077, 0o177, 0o777], ids=oct)
def test_only_the_owner_can_read_whatever_the_umask(project, umask):
    process = subprocess.Popen(
        [sys.executable, "-m", "etl_tools.cli", "keys"], cwd=project, umask=umask, stdout=subprocess.DEVNULL
    )
    modes = set()
    while process.poll() is None:  # a file that is open to others for a moment only would be caught here
        for path in (project / "secrets").iterdir():
            try:
                modes.add(stat.S_IMODE(path.stat().st_mode) if path.name != ".gitignore" else 0o600)
            except FileNotFoundError:
                continue
    assert process.returncode == 0
    assert names(project) == EVERYTHING
    assert modes | {stat.S_IMODE(path.stat().st_mode) for path in secret_files(project)} == {0o600}
    assert stat.S_IMODE((project / "secrets").stat().st_mode) == 0o700


def test_the_folder_is_closed_before_the_first_key_is_made(project, tmp_path):
    real = ssh_keygen_path()
    watcher = tmp_path / "bin" / "ssh-keygen"
    watcher.parent.mkdir()
    watcher.write_text(f'#!/bin/sh\nstat -c %a secrets > {tmp_path}/mode\numask > {tmp_path}/umask\nexec {real} "$@"\n')
    watcher.chmod(0o755)
    start_keys(project, env=os.environ | {"PATH": f"{watcher.parent}:{os.environ['PATH']}"}, umask=0)
    assert (tmp_path / "mode").read_text().strip() == "700"
    assert int((tmp_path / "umask").read_text(), 8) == 0o077


def ssh_keygen_path():
    return subprocess.run(
        ["sh", "-c", "command -v ssh-keygen"], capture_output=True, text=True, check=True
    ).stdout.strip()


def test_a_second_run_changes_nothing(project):
    run_keys(project)
    before = snapshot(project)
    second = run_keys(project)
    assert snapshot(project) == before
    assert "every key and password is there" in second.stdout


def test_what_is_there_stays(project):
    folder = project / "secrets"
    own = {"fernet_key": Fernet.generate_key(), "admin_password": b"Tr0ub4dor&3"}
    for name, content in own.items():
        (folder / name).write_bytes(content)
        (folder / name).chmod(0o640)
    ssh_keygen("-q", "-t", "ed25519", "-N", "", "-C", "from-before", "-f", folder / "deploy_key")
    (folder / "deploy_key.pub").unlink()
    before = snapshot(project)

    run_keys(project)
    after = snapshot(project)
    assert {name: after[name] for name in before if name != "."} == {
        name: before[name] for name in before if name != "."
    }
    assert names(project) == EVERYTHING
    assert (folder / "deploy_key.pub").read_text().split()[2] == "from-before"
    assert manifest(project)["my-etl-admin"] == {"password": own["admin_password"]}


def test_a_public_key_alone_is_not_overwritten(project):
    (project / "secrets/deploy_key.pub").write_text("ssh-ed25519 AAAA registered\n")
    done = run_keys(project, code=1)
    assert "rm secrets/deploy_key.pub && make keys" in done.stderr
    assert "every key and password is there" not in run_keys(project, code=1).stdout
    assert (project / "secrets/deploy_key.pub").read_text() == "ssh-ed25519 AAAA registered\n"
    assert names(project) > TEXTS


@pytest.mark.parametrize(
    ("kind", "size", "algorithm"), [("ed25519", 256, "ssh-ed25519"), ("rsa-4096", 4096, "ssh-rsa")]
)
def test_the_deploy_key_is_one(bake_fresh, kind, size, algorithm):
    project = without_keys(bake_fresh(__deploy_key_type=kind))
    done = run_keys(project)
    public = (project / "secrets/deploy_key.pub").read_text()
    assert ssh_keygen("-y", "-P", "", "-f", project / "secrets/deploy_key").split()[:2] == public.split()[:2]
    assert ssh_keygen("-l", "-f", project / "secrets/deploy_key").startswith(f"{size} ")
    # Neither the person nor the machine.
    assert public.split() == [algorithm, public.split()[1], "my-etl-deploy-key"]
    assert public.strip() in done.stdout


def test_the_secrets_are_what_airflow_takes(project):
    run_keys(project)
    folder = project / "secrets"
    fernet = Fernet((folder / "fernet_key").read_bytes())
    assert fernet.decrypt(fernet.encrypt(b"connection")) == b"connection"
    jwt_secret = (folder / "jwt_secret").read_bytes()
    assert len(jwt_secret) >= 64
    assert jwt_secret.isalnum()
    for name in TEXTS - {"fernet_key"}:
        assert len((folder / name).read_text()) >= 32, name
        assert (folder / name).read_text().isalnum(), name


def test_no_two_projects_share_a_secret(bake_fresh):
    one, other = without_keys(bake_fresh()), without_keys(bake_fresh(project_slug="other-etl"))
    run_keys(one)
    run_keys(other)
    contents = [path.read_bytes() for project in (one, other) for path in secret_files(project)]
    assert len(set(contents)) == 2 * len(EVERYTHING)


def test_the_manifests_hold_the_files_byte_for_byte(project):
    run_keys(project)
    content = {path.name: path.read_bytes() for path in secret_files(project)}
    known_hosts = (project / "helm/known_hosts").read_bytes()
    postgres, redis = content["postgres_password"].decode(), content["redis_password"].decode()
    assert manifest(project) == {
        "my-etl-git-ssh": {"gitSshKey": content["deploy_key"], "known_hosts": known_hosts},
        "my-etl-fernet": {"fernet-key": content["fernet_key"]},
        "my-etl-api-secret": {"api-secret-key": content["api_secret_key"]},
        "my-etl-jwt": {"jwt-secret": content["jwt_secret"]},
        "my-etl-admin": {"password": content["admin_password"]},
        "my-etl-postgres": {"postgres-password": content["postgres_password"]},
        "my-etl-metadata": {
            "connection": f"postgresql+psycopg2://postgres:{postgres}@airflow-postgresql.airflow:5432/postgres".encode()
        },
        "my-etl-redis": {"password": content["redis_password"]},
        "my-etl-broker": {"connection": f"redis://:{redis}@airflow-redis:6379/0".encode()},
    }


def test_a_password_of_ones_own_is_escaped_in_the_database_url(project):
    (project / "secrets/postgres_password").write_text("p@ss/w:rd%")
    run_keys(project)
    assert manifest(project)["my-etl-metadata"]["connection"].startswith(
        b"postgresql+psycopg2://postgres:p%40ss%2Fw%3Ard%25@"  # pragma: allowlist secret
    )


@pytest.mark.parametrize("content", [b"", b"secret\n", b"two words", b"\xff\xfe"])
def test_a_damaged_password_is_named_and_left_alone(project, content):
    (project / "secrets/postgres_password").write_bytes(content)
    done = run_keys(project, code=1)
    assert "rm secrets/postgres_password && make keys" in done.stderr
    assert (project / "secrets/postgres_password").read_bytes() == content
    assert names(project) == EVERYTHING


@pytest.mark.parametrize(
    ("answers", "missing", "missing_secrets"),
    [
        ({"executor": "LocalExecutor"}, {"redis_password"}, {"my-etl-redis", "my-etl-broker"}),
        ({"executor": "KubernetesExecutor"}, {"redis_password"}, {"my-etl-redis", "my-etl-broker"}),
        (
            {"git_access": "https-token", "git_repo": "https://github.com/acme/my-etl.git"},
            {"deploy_key", "deploy_key.pub"},
            {"my-etl-git-ssh"},
        ),
        (
            {"git_access": "public", "git_repo": "https://github.com/acme/my-etl.git"},
            {"deploy_key", "deploy_key.pub"},
            {"my-etl-git-ssh"},
        ),
        (APP, {"deploy_key", "deploy_key.pub"}, {"my-etl-git-ssh", "my-etl-github-app"}),
    ],
    ids=["local", "kubernetes", "https-token", "public", "github-app"],
)
def test_only_what_the_answers_need(bake_fresh, answers, missing, missing_secrets):
    project = without_keys(bake_fresh(**answers))
    done = run_keys(project)
    assert names(project) == EVERYTHING - missing
    assert not missing_secrets & set(manifest(project))
    assert ("Register it" in done.stdout) == ("deploy_key" not in missing)


def test_what_github_shows_is_asked_for_and_never_made(bake_fresh):
    project = without_keys(bake_fresh(**APP))
    asked = run_keys(project).stdout
    assert "Yours to put into secrets/: github_app.pem, github_app_id, github_installation_id (" in asked
    assert "https://github.com/organizations/acme/settings/apps" in asked
    pem = github_app.new_key()[0]
    github_app.put_files(project, pem)
    assert "Yours to put" not in run_keys(project).stdout
    made = manifest(project)["my-etl-github-app"]
    assert made == {"private-key": pem, "app-id": b"123456", "installation-id": b"78901234"}
    # The numbers are no secret, the key is.
    found = [sys.executable, "-m", "etl_tools.cli", "scan", "notes.md"]
    for text, status in ((github_app.APP.encode(), 0), (pem, 1)):
        (project / "notes.md").write_bytes(text)
        assert subprocess.run(found, cwd=project, check=False, capture_output=True).returncode == status


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("pem", b"", "is not a private key as GitHub gives it (PEM)"),
        ("pem", b"SHA256:fingerprint=", "is not a private key as GitHub gives it (PEM)"),
        ("pem", github_app.new_key()[0][:200], "is not a private key as GitHub gives it (PEM)"),
        ("app", "Iv1.abcdef", "is not a number"),
        ("installation", "", "is not a number"),
    ],
)
def test_what_github_never_shows_is_named(bake_fresh, file, content, words):
    project = bake_fresh(**APP)
    github_app.put_files(project, **{"pem": github_app.new_key()[0]} | {file: content})
    said = run_keys(project, code=1).stderr
    assert words in said
    assert "docs/keys.md" in said
    doctor = [sys.executable, "-m", "etl_tools.cli", "doctor", "--offline"]
    report = subprocess.run(doctor, cwd=project, text=True, capture_output=True, check=False)
    assert words in report.stdout


def test_git_takes_none_of_them(project):
    run_keys(project)
    for path in secret_files(project):
        ignored = subprocess.run(["git", "check-ignore", "--quiet", path], cwd=project, check=False)
        assert ignored.returncode == 0, path
        added = subprocess.run(["git", "add", path], cwd=project, capture_output=True, check=False)
        assert added.returncode != 0, path
    subprocess.run(["git", "add", "--all"], cwd=project, check=True)
    staged = subprocess.run(["git", "ls-files", "secrets"], cwd=project, capture_output=True, text=True, check=True)
    assert staged.stdout.split() == ["secrets/.gitignore"]


def test_nothing_secret_is_printed(project):
    first, second = run_keys(project), run_keys(project)
    output = first.stdout + first.stderr + second.stdout + second.stderr
    for path in secret_files(project):
        if path.name != "deploy_key.pub":
            assert path.read_text() not in output, path.name
    assert "PRIVATE KEY" not in output


def test_without_ssh_keygen_the_rest_is_made(project, tmp_path):
    done = run_keys(project, code=1, env={"PATH": str(tmp_path)})
    assert "ssh-keygen is not on PATH" in done.stderr
    assert "make keys" in done.stderr
    assert names(project) == TEXTS
    before = {name: (project / "secrets" / name).read_bytes() for name in TEXTS}

    run_keys(project)
    assert names(project) == EVERYTHING
    assert {name: (project / "secrets" / name).read_bytes() for name in TEXTS} == before
    assert "my-etl-git-ssh" in manifest(project)


def test_runs_at_the_same_time_agree(project):
    with ThreadPoolExecutor(8) as pool:
        outputs = {run.stdout.split("\n\n")[2] for run in pool.map(lambda _: start_keys(project), range(8))}
    assert outputs == {(project / "secrets/deploy_key.pub").read_text().strip()}
    assert names(project) == EVERYTHING
    before = snapshot(project)
    run_keys(project)
    assert snapshot(project) == before


def test_a_run_killed_at_any_step_is_finished_by_the_next(project):
    """Die just before each step that puts a file in place, that file still under its temporary name."""
    die_before_step = (
        "import os, sys\n"
        "sys.path.insert(0, '.')\n"
        "left, replace = int(sys.argv[1]), os.replace\n"
        "def dying(*paths):\n"
        "    global left\n"
        "    left -= 1\n"
        "    os.kill(os.getpid(), 9) if left < 0 else replace(*paths)\n"
        "os.replace = dying\n"
        "from etl_tools import cli\n"
        "sys.exit(cli.main(['keys']))\n"
    )
    kept, step = {}, 0
    while True:
        command = [sys.executable, "-c", die_before_step, str(min(step, 1))]
        killed = subprocess.run(command, cwd=project, capture_output=True, check=False)
        whole = {path.name: path.read_bytes() for path in secret_files(project) if not path.name.startswith(".")}
        assert kept.items() <= whole.items()
        assert b"" not in whole.values()
        kept, step = whole, step + 1
        if killed.returncode == 0:
            break
        assert killed.returncode == -9
    assert step > len(TEXTS)
    assert names(project) == EVERYTHING
    private = project / "secrets/deploy_key"
    assert ssh_keygen("-y", "-f", private).split()[1] == Path(f"{private}.pub").read_text().split()[1]


@pytest.mark.parametrize(
    ("repo", "page"),
    [
        ("git@github.com:acme/my-etl.git", "https://github.com/acme/my-etl/settings/keys/new"),
        ("ssh://git@ssh.github.com:443/acme/my-etl.git", "https://github.com/acme/my-etl/settings/keys/new"),
        ("git@gitlab.com:acme/data/my-etl.git", "https://gitlab.com/acme/data/my-etl/-/settings/repository"),
        ("git@bitbucket.org:acme/my-etl.git", "https://bitbucket.org/acme/my-etl/admin/access-keys/"),
        ("git@ssh.dev.azure.com:v3/acme/data/my-etl", "https://dev.azure.com/acme/_usersSettings/keys"),
        ("ssh://git@git.acme.example:2222/data/my-etl.git", "git.acme.example: the repository's settings"),
    ],
)
def test_says_where_to_register_the_key(git_server, repo, page):
    assert git_server.where_to_register(repo).startswith(page)


@pytest.mark.parametrize(
    ("repo", "address", "known_hosts_name"),
    [
        ("git@GitHub.com:acme/my-etl.git", ("github.com", 22, "acme/my-etl.git"), "github.com"),
        ("ssh://git@host.example/my-etl", ("host.example", 22, "my-etl"), "host.example"),
        ("ssh://host.example:2222/a/b.git", ("host.example", 2222, "a/b.git"), "[host.example]:2222"),
        ("https://host.example:8443/a/b.git", ("host.example", 8443, "a/b.git"), "[host.example]:8443"),
        ("https://host.example/a/b", ("host.example", 443, "a/b"), "[host.example]:443"),
    ],
)
def test_reads_the_servers_address_from_the_url(git_server, repo, address, known_hosts_name):
    assert git_server.address(repo) == address
    assert git_server.known_hosts_name(repo) == known_hosts_name
