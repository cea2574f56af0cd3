"""Real commits in a baked project, checked by pre-commit and by prek."""

import base64
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.conftest import clean_environment, with_tools
from tests.etl_tools.in_process import call, completed

BIN = Path(sys.executable).parent
AUTHOR = {
    "GIT_AUTHOR_NAME": "a",
    "GIT_AUTHOR_EMAIL": "a@example.com",
    "GIT_COMMITTER_NAME": "a",
    "GIT_COMMITTER_EMAIL": "a@example.com",
    "GIT_CONFIG_GLOBAL": os.devnull,
}


@pytest.fixture(scope="session")
def environment(tmp_path_factory):
    """Return the variables that git and the hooks run with; the hooks' environments are made once."""
    home = tmp_path_factory.mktemp("hooks")
    return clean_environment() | AUTHOR | {"PRE_COMMIT_HOME": str(home / "pre-commit"), "PREK_HOME": str(home / "prek")}


class Repository:
    """A baked project under git whose commits are checked by a hook manager."""

    def __init__(self, path: Path, environment: dict[str, str]):
        self.path = path
        self.environment = environment

    def run(self, *command, check=True) -> subprocess.CompletedProcess:
        """Run a command in the repository and return its result with both outputs in `stdout`."""
        result = subprocess.run(
            [str(part) for part in command],
            cwd=self.path,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert not check or result.returncode == 0, result.stdout
        return result

    def commit(self, *options) -> subprocess.CompletedProcess:
        """Commit what is staged and return the result, whatever it is."""
        return self.run("git", "commit", "--quiet", "-m", "change", *options, check=False)

    def write(self, name: str, content: str | bytes, *options) -> None:
        """Write a file and stage it."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        self.run("git", "add", *options, "--", name)

    def head(self) -> str:
        """Return the id of the last commit."""
        return self.run("git", "rev-parse", "HEAD").stdout.strip()

    def scan(self) -> subprocess.CompletedProcess:
        """Do what `make secret-scan` does and return its result."""
        status, printed = call(self.path, ["scan", "--history"], self.environment)
        return subprocess.CompletedProcess("scan", status, printed, printed)


def new_repository(path: Path, environment: dict[str, str]) -> Repository:
    """Return a baked project put under git, with one commit that no hook has seen."""
    shutil.rmtree(path / ".git", ignore_errors=True)
    repository = Repository(path, environment)
    repository.run("git", "init", "--quiet", "--initial-branch=main")
    repository.run("git", "add", "--all")
    repository.run("git", "commit", "--quiet", "--no-verify", "-m", "as baked")
    return repository


@pytest.fixture(params=["pre-commit", "prek"])
def repository(request, bake_fresh, environment):
    """Return a baked project with the hooks installed by either tool."""
    repository = new_repository(with_tools(bake_fresh()), environment)
    if request.param == "pre-commit":
        # This environment's tool, so that Airflow need not be installed: .venv is taken as made.
        repository.run("make", "--silent", "hooks", f"BIN={BIN}", "-o", ".venv/.installed")
    else:
        repository.run(BIN / "prek", "install")
    return repository


@pytest.fixture
def check(bake, tmp_path):
    """Return a function that writes a file into an otherwise empty folder and runs the script on it."""
    (tmp_path / "secrets").mkdir()

    def run(content: bytes | str) -> subprocess.CompletedProcess:
        (tmp_path / "values.yaml").write_bytes(content if isinstance(content, bytes) else content.encode())
        return completed(tmp_path, ["scan", "values.yaml"], clean_environment())

    return run


@pytest.fixture
def unguarded(bake_fresh, environment):
    """Return a baked project without hooks."""
    return new_repository(with_tools(bake_fresh()), environment)


@pytest.fixture
def private_key(tmp_path):
    """Return a function that returns a fresh private key in the form that the kind names."""
    types = {"openssh": ("ed25519", []), "pem": ("rsa", ["-m", "PEM"]), "pkcs8": ("ecdsa", ["-m", "PKCS8"])}

    def make(kind: str) -> str:
        name, options = types[kind]
        command = ["ssh-keygen", "-q", "-t", name, "-N", "", "-f", tmp_path / "key", *options]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
        return (tmp_path / "key").read_text()

    return make


def test_every_hook_is_a_program_of_the_lock(bake):
    """Nothing is cloned or installed for a hook: each is of .venv, in the version that make lint takes."""
    project = bake()
    configuration = yaml.safe_load((project / ".pre-commit-config.yaml").read_text())
    assert [repo["repo"] for repo in configuration["repos"]] == ["local"]
    lock = (project / "requirements.lock").read_text()
    of = {"airflow-etl": "airflow-etl-tools", "dag-integrity": "airflow-etl-tools"}
    of |= {"check-added-large-files": "pre-commit-hooks", "make": "yamllint"}
    for hook in configuration["repos"][0]["hooks"]:
        program = hook["entry"].split()[0]
        assert hook["language"] == "system"
        assert program == "make" or program.startswith(".venv/bin/")
        program = program.removeprefix(".venv/bin/")
        assert re.search(rf"^{of.get(program, program)}==", lock, re.MULTILINE), program


@pytest.mark.airflow
def test_project_passes_as_baked(repository):
    tool = "prek" if "prek" in (repository.path / ".git/hooks/pre-commit").read_text() else "pre-commit"
    result = repository.run(BIN / tool, "run", "--all-files", check=False)
    assert result.returncode == 0, result.stdout
    assert repository.run("git", "status", "--porcelain").stdout == ""


@pytest.mark.parametrize("kind", ["openssh", "pem", "pkcs8"])
@pytest.mark.parametrize("form", ["plain", "base64", "json"])
def test_private_key_is_refused_wherever_it_stands(check, private_key, kind, form):
    key = private_key(kind)
    content = {
        "plain": key,
        "base64": base64.b64encode(key.encode()).decode(),
        "json": json.dumps({"key": key}),
    }
    result = check(f"# a\nkey: {content[form]}\n")
    assert result.returncode == 1
    assert "values.yaml:2: a private key" in result.stderr


# Put together here, so that no scanner takes this file for a leak.
TOKENS = {
    "AWS": "AKIA" + "A2B3" * 4,
    "GitHub": "ghp_" + "a1B2" * 9,
    "GitLab": "glpat-" + "a1B2c" * 4,
    "Google": "AIza" + "a1B2c" * 7,
    "Slack": "xoxb-" + "1234567890",
    "Azure": "AccountKey=" + "a1B2" * 21 + "==",
}


@pytest.mark.parametrize("service", TOKENS)
def test_access_token_is_refused(check, service):
    result = check(f"token: '{TOKENS[service]}'\n")
    assert result.returncode == 1
    assert service in result.stderr
    assert TOKENS[service] not in result.stderr


@pytest.mark.parametrize("encode", [bytes, base64.b64encode], ids=["plain", "base64"])
def test_own_secret_is_refused_in_any_file(check, tmp_path, encode):
    value = secrets.token_hex(32).encode()
    content = b"a: 1\nkey: " + encode(value) + b"\n"
    assert check(content).returncode == 0
    (tmp_path / "secrets/api_secret_key").write_bytes(value + b"\n")
    result = check(content)
    assert result.returncode == 1
    assert "values.yaml:2: the value of secrets/api_secret_key" in result.stderr
    assert value.decode() not in result.stderr


NO_SECRETS = {
    "header only": 'HEADER = "-----BEGIN OPENSSH PRIVATE KEY-----"\n',
    "public key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl git\n",
    "certificate": "-----BEGIN CERTIFICATE-----\nMIIBszCCAVmgAwIBAgIUJ0Qm0k\n-----END CERTIFICATE-----\n",
    "name of a Secret": "fernetKeySecretName: my-etl-fernet\n",
}


@pytest.mark.parametrize("what", NO_SECRETS)
def test_what_is_no_secret_passes(check, what):
    result = check(NO_SECRETS[what])
    assert (result.returncode, result.stderr) == (0, "")


def notebook(text: str) -> str:
    """Return a notebook whose one cell has printed a text."""
    cell = {
        "cell_type": "code",
        "execution_count": 1,
        "id": "a1",
        "metadata": {},
        "outputs": [{"name": "stdout", "output_type": "stream", "text": [text]}],
        "source": ["print(  'x' )"],
    }
    return json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


OF_DAGS = "DAG files, as far as they can be checked without Airflow"
BAD_DAG = """\
import pandas as pd
from airflow.sdk import dag


@dag(schedule=None)
def bad():
    pd.DataFrame()


bad()
"""


def refused_by(repository):
    """Commit what is staged, which is refused; return what was printed, and the names of the hooks that failed."""
    before = repository.head()
    result = repository.commit()
    assert result.returncode != 0
    assert repository.head() == before
    return result.stdout, set(re.findall(r"^(.+?)\.*Failed$", result.stdout, re.MULTILINE))


@pytest.mark.airflow
def test_what_nothing_can_mend_is_refused(repository, private_key):
    """By the hook that it is for, each in one commit with the others."""
    repository.write("helm/id", private_key("openssh"))
    repository.write("tests/big.csv", "0" * 2_100_000)
    repository.write("tests/odd.py", "print(undefined)\n")
    repository.write("helm/odd.yaml", "a: 1\na: 2\n")
    repository.write("dags/bad.py", BAD_DAG)
    printed, hooks = refused_by(repository)
    assert hooks == {"nothing secret", "no large file", "ruff check", "yamllint", OF_DAGS}
    assert "helm/id:1: a private key" in printed
    assert "tests/big.csv" in printed
    assert "F821" in printed
    assert "duplication of key" in printed
    assert re.search(r"^ *dags/bad\.py:1: heavy-import: .*pandas", printed, re.MULTILINE)


@pytest.mark.airflow
def test_what_was_mended_is_accepted(repository):
    """By the hooks themselves: style, and the outputs of notebooks; by a person: a secret that was forced in."""
    repository.write("secrets/fernet_key", "an innocent word", "--force")
    repository.write("notebooks/look.ipynb", notebook("a customer's name"))
    repository.write("tests/odd.py", "import os\nx = {'a' :1}\n")
    printed, hooks = refused_by(repository)
    assert hooks == {"nothing secret", "notebooks without outputs", "ruff check", "ruff format"}
    assert "secrets/fernet_key" in printed
    assert "git rm --cached" in printed
    repository.run("git", "rm", "--quiet", "--cached", "--", "secrets/fernet_key")
    repository.run("git", "add", "--all")
    result = repository.commit()
    assert result.returncode == 0, result.stdout
    assert repository.run("git", "show", "HEAD:tests/odd.py").stdout == 'x = {"a": 1}\n'
    committed = repository.run("git", "show", "HEAD:notebooks/look.ipynb").stdout
    assert "customer" not in committed
    assert "print(  'x' )" in committed


FAULTS = {
    "ruff check": ("tests/odd.py", "print(undefined)\n", "F821"),
    "ruff format": ("tests/odd.py", "x = {'a' :1}\n", "tests/odd.py"),
    "yamllint": ("helm/odd.yaml", "a: 1\na: 2\n", "duplication of key"),
    "nbstripout": ("notebooks/look.ipynb", notebook("text"), "look.ipynb"),
}


@pytest.mark.parametrize("check", [None, *FAULTS])
def test_make_lint_checks_what_the_hooks_check(unguarded, check):
    if check:
        name, content, message = FAULTS[check]
        unguarded.write(name, content)
    # The tools of this environment, so that Airflow need not be installed: .venv is taken as made.
    result = unguarded.run("make", "--silent", "lint", f"BIN={BIN}", "-o", ".venv/.installed", check=False)
    if check:
        assert result.returncode != 0
        assert message in result.stdout
    else:
        assert result.returncode == 0, result.stdout


def test_clean_history_passes(unguarded):
    assert unguarded.scan().returncode == 0, unguarded.scan().stdout


def test_scan_finds_what_was_committed_and_taken_out_again(unguarded, private_key):
    unguarded.write("secrets/admin_password", "an innocent word", "--force")
    unguarded.write("helm/id", private_key("openssh"))
    unguarded.commit("--no-verify")
    leak = unguarded.head()[:7]
    unguarded.run("git", "rm", "--quiet", "-r", "secrets/admin_password", "helm/id")
    unguarded.commit("--no-verify")
    result = unguarded.scan()
    assert result.returncode != 0
    assert f"{leak} secrets/admin_password: secrets/ must not be in git" in result.stdout
    assert f"{leak} helm/id:1: a private key" in result.stdout


def test_scan_finds_a_file_moved_into_secrets_on_another_branch(unguarded):
    unguarded.run("git", "switch", "--quiet", "--create", "other")
    unguarded.write("note.txt", "an innocent word that is long enough to be a rename\n" * 20)
    unguarded.commit("--no-verify")
    (unguarded.path / "secrets").mkdir(exist_ok=True)
    unguarded.run("git", "mv", "note.txt", "secrets/note.txt")
    unguarded.commit("--no-verify")
    unguarded.run("git", "switch", "--quiet", "main")
    assert "secrets/note.txt: secrets/ must not be in git" in unguarded.scan().stdout


def test_scan_looks_from_the_project_when_it_is_a_folder_of_a_larger_repository(bake_fresh, environment):
    project = bake_fresh()
    shutil.rmtree(project / ".git", ignore_errors=True)
    larger = Repository(project.parent, environment)
    larger.run("git", "init", "--quiet", "--initial-branch=main")
    larger.write(f"{project.name}/secrets/note", "an innocent word", "--force")
    larger.commit()
    assert " secrets/note: secrets/ must not be in git" in Repository(project, environment).scan().stdout


def test_scan_does_not_call_a_shallow_clone_clean(unguarded, tmp_path):
    unguarded.write("note.txt", "a second commit\n")
    unguarded.commit("--no-verify")
    unguarded.run("git", "clone", "--quiet", "--depth=1", unguarded.path.as_uri(), tmp_path / "clone")
    result = Repository(tmp_path / "clone", unguarded.environment).scan()
    assert result.returncode != 0
    assert "shallow" in result.stdout


def test_scan_without_git_says_so(bake_fresh, environment):
    project = bake_fresh()
    shutil.rmtree(project / ".git", ignore_errors=True)
    result = Repository(project, environment | {"GIT_CEILING_DIRECTORIES": str(project.parent)}).scan()
    assert result.returncode != 0
    assert "git cannot read the history" in result.stdout


def test_scan_does_not_call_a_damaged_history_clean(unguarded, private_key):
    """git ends at the first object that is missing: what it listed until then is not everything."""
    unguarded.write("helm/id", private_key("openssh"))
    blob = unguarded.run("git", "rev-parse", ":helm/id").stdout.strip()
    unguarded.commit("--no-verify")
    tree = unguarded.run("git", "rev-parse", "HEAD^{tree}").stdout.strip()
    for name in (blob, tree):
        (unguarded.path / ".git/objects" / name[:2] / name[2:]).unlink()
        result = unguarded.scan()
        assert result.returncode != 0, result.stdout
        assert "git cannot read the history" in result.stdout
        assert "git fsck says what is damaged" in result.stdout
        assert "hint:" not in result.stdout
        assert "No commit has a secret" not in result.stdout


def test_scan_reads_what_a_replacement_hides(unguarded, private_key):
    unguarded.write("helm/id", private_key("openssh"))
    unguarded.write("note.txt", "an innocent word\n")
    unguarded.commit("--no-verify")
    hidden, shown = (unguarded.run("git", "rev-parse", f":{name}").stdout.strip() for name in ("helm/id", "note.txt"))
    unguarded.run("git", "replace", hidden, shown)
    result = unguarded.scan()
    assert result.returncode != 0
    assert "helm/id:1: a private key" in result.stdout


@pytest.mark.parametrize("words", [[], ["--histroy"], ["--history", "x"], ["no-such-file"]], ids=str)
def test_scan_that_looked_at_nothing_is_no_success(unguarded, words):
    result = unguarded.run(sys.executable, "-m", "etl_tools.cli", "scan", *words, check=False)
    assert result.returncode == 2
    assert "No commit has a secret" not in result.stdout
    assert "usage: airflow-etl scan" in result.stdout or "no-such-file" in result.stdout
