"""make secret-scan: everything that a push would show is read, or it is said what was not."""

import base64
import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import time
from urllib.parse import quote

import pytest

from tests.conftest import TEMPLATE, clean_environment, with_tools
from tests.etl_tools.in_process import completed, evaluate
from tests.template.ci.test_precommit import AUTHOR, BIN, Repository, new_repository

CLEAN = "No commit has a secret"
# Put together here, so that no scanner takes this file for a leak.
TOKEN = "ghp_" + "a1B2" * 9


@pytest.fixture(scope="module")
def environment():
    return clean_environment() | AUTHOR


@pytest.fixture
def repository(bake_fresh, environment):
    return new_repository(with_tools(bake_fresh()), environment)


class Folder:
    """A checkout's secrets, and nothing else."""

    def __init__(self, project, path):
        self.path, self.environment = path, clean_environment()
        shutil.copytree(project / "secrets", path / "secrets")


@pytest.fixture
def folder(bake, tmp_path):
    (tmp_path / "folder").mkdir()
    return Folder(bake(), tmp_path / "folder")


def leak(repository, name="note.txt", text=f"token: {TOKEN}\n"):
    """Commit a token and take it out again; return the commit."""
    repository.write(name, text)
    repository.commit("--no-verify")
    found = repository.head()
    repository.run("git", "rm", "--quiet", name)
    repository.commit("--no-verify")
    return found


def scan_files(repository, *words, **environment):
    if "PYTHONPATH" in environment:  # other packages than this process has
        command = [sys.executable, "-m", "etl_tools.cli", "scan", *words]
        where = repository.environment | environment
        return subprocess.run(command, cwd=repository.path, env=where, capture_output=True, text=True)
    return completed(repository.path, ["scan", *words], repository.environment | environment)


def refused(result):
    """Assert that a scan did not call clean what it could not read, in one line; return that line."""
    assert result.returncode not in (0, 1), result.stdout
    assert CLEAN not in result.stdout
    lines = [line for line in result.stdout.splitlines() if not line.startswith("make: ")]
    assert len(lines) == 1, lines
    return lines[0]


# --- All of it is read


def test_a_graft_hides_no_commit(repository):
    leak(repository)
    info = repository.path / ".git/info"
    info.mkdir(exist_ok=True)
    (info / "grafts").write_text(f"{repository.head()}\n")  # no parents: git log ends here
    result = repository.scan()
    assert result.returncode != 0
    assert "note.txt:1: a GitHub token" in result.stdout


def test_a_leak_on_another_branch_is_found(repository):
    repository.run("git", "switch", "--quiet", "--create", "other")
    commit = leak(repository)
    repository.run("git", "switch", "--quiet", "main")
    assert f"{commit[:7]} note.txt:1: a GitHub token" in repository.scan().stdout


def test_a_leak_behind_a_tag_alone_is_found(repository):
    repository.run("git", "switch", "--quiet", "--create", "other")
    leak(repository)
    repository.run("git", "tag", "v1")
    repository.run("git", "switch", "--quiet", "main")
    repository.run("git", "branch", "--quiet", "-D", "other")
    assert "note.txt:1: a GitHub token" in repository.scan().stdout


@pytest.mark.parametrize("kind", ["commit", "tag", "tag of a tag", "note"])
def test_messages_are_read(repository, kind):
    text = f"The token is {TOKEN}"
    if kind == "commit":
        repository.run("git", "commit", "--quiet", "--allow-empty", "--no-verify", "-m", text)
    elif kind == "note":
        repository.run("git", "notes", "add", "-m", text)
    else:
        repository.run("git", "tag", "-a", "v1", "-m", text)
    if kind == "tag of a tag":
        repository.run("git", "tag", "-a", "v2", "v1", "-m", "again")
        repository.run("git", "tag", "-d", "v1")
    result = repository.scan()
    assert result.returncode != 0
    assert "a GitHub token" in result.stdout
    assert TOKEN not in result.stdout
    assert f"its message ({kind.split()[0]})" in result.stdout or kind == "note"


def test_a_secret_in_a_message_has_any_encoding(repository):
    value = (repository.path / "secrets/fernet_key").read_text()
    encoded = base64.b64encode(f"key={value}".encode()).decode()
    repository.run("git", "commit", "--quiet", "--allow-empty", "--no-verify", "-m", encoded)
    assert "its message (commit): the value of secrets/fernet_key" in repository.scan().stdout


# --- What cannot be read is not called clean


def test_a_repository_without_a_commit_is_not_clean(bake_fresh, environment):
    project = with_tools(bake_fresh())
    shutil.rmtree(project / ".git", ignore_errors=True)
    repository = Repository(project, environment)
    repository.run("git", "init", "--quiet")
    assert "there is no commit yet, so nothing was looked at" in refused(repository.scan())


@pytest.mark.parametrize(
    ("option", "cure"),
    [("--depth=1", "git fetch --unshallow"), ("--filter=blob:none", "git fetch --refetch --no-filter")],
)
def test_a_clone_that_lacks_something_says_how_to_get_it(repository, tmp_path, option, cure):
    """The cure is real: what it names makes the scan find what it could not see."""
    commit = leak(repository)
    repository.run("git", "config", "uploadpack.allowFilter", "true")
    copy = tmp_path / "clone"
    repository.run("git", "clone", "--quiet", option, repository.path.as_uri(), copy)
    clone = Repository(copy, repository.environment)
    away = repository.path.with_name("away")
    repository.path.rename(away)  # the server is out of reach
    assert cure in refused(clone.scan())
    away.rename(repository.path)
    clone.run(*cure.split())
    assert f"{commit[:7]} note.txt:1: a GitHub token" in clone.scan().stdout


def test_an_object_that_is_listed_and_not_there_is_named(repository, tmp_path):
    """Not every git ends its list there."""
    real, listed = shutil.which("git"), tmp_path / "bin" / "git"
    listed.parent.mkdir()
    listed.write_text(f'#!/bin/sh\n{real} "$@" || exit\ncase "$*" in *--objects*) echo {"1" * 40} note.txt;; esac\n')
    listed.chmod(0o755)
    repository.environment = repository.environment | {"PATH": f"{listed.parent}:{os.environ['PATH']}"}
    words = refused(repository.scan())
    assert f"the object {'1' * 40} is not in this clone" in words
    assert "git fetch --refetch --no-filter" in words


def test_git_s_words_are_one_line(repository):
    shutil.rmtree(repository.path / ".git/objects")
    (repository.path / ".git/HEAD").write_text("nonsense\n")
    assert "git cannot read the history: fatal: " in refused(repository.scan())


def test_without_detect_secrets_it_is_not_clean(folder, tmp_path):
    """What is this checkout's own is looked for all the same."""
    (tmp_path / "detect_secrets.py").write_text("raise ImportError\n")
    value = (folder.path / "secrets/jwt_secret").read_text()
    (folder.path / "note.txt").write_text(value)
    for name, text in (("note.txt", value), ("other.txt", "fine\n")):
        (folder.path / name).write_text(text)
        result = scan_files(folder, name, PYTHONPATH=str(tmp_path))
        assert result.returncode == 2
        assert "detect-secrets is not installed" in result.stderr
        assert "make install" in result.stderr
        assert ("the value of secrets/jwt_secret" in result.stderr) == (name == "note.txt")


def test_a_folder_is_no_file(folder):
    (folder.path / "tools").mkdir()
    result = scan_files(folder, "tools")
    assert result.returncode == 2
    assert "tools is a folder" in result.stderr


@pytest.mark.parametrize("path", ["secrets/fernet_key", "./secrets/fernet_key", "dags/../secrets/fernet_key", "{}"])
def test_a_file_of_secrets_is_one_however_it_is_written(folder, path):
    path = path.format(folder.path / "secrets/fernet_key")
    result = scan_files(folder, path)
    assert result.returncode == 1
    assert "secrets/ never enters git" in result.stderr


# --- Time


HEADERS = "-----BEGIN RSA PRIVATE KEY-----\n" + "Proc-Type:  4 ENCRYPTED \n" * 40
SLOW = {
    "headers": HEADERS,
    "spaces": "-----BEGIN RSA PRIVATE KEY-----\n" + "a: " + " " * 50_000 + "\n",
    "many": "a: -----BEGIN RSA PRIVATE KEY-----\n" * 5_000,
    "one line": "-----BEGIN RSA PRIVATE KEY----- " + "a: b " * 20_000,
    "words": "password = '" + "x y'" * 20_000,
}


@pytest.mark.parametrize("kind", SLOW)
def test_no_text_makes_it_slow(folder, kind):
    """With time growing by the square or worse these take minutes, and the scan's own limit ends them with 2."""
    (folder.path / "note.txt").write_text(SLOW[kind])
    assert scan_files(folder, "note.txt", SCAN_SECONDS="60").returncode in (0, 1)


@pytest.mark.parametrize("words", [["--history"], ["note.txt"]])
def test_time_is_bounded(repository, words):
    (repository.path / "note.txt").write_text(f"{TOKEN}\n")
    result = scan_files(repository, *words, SCAN_SECONDS="0.000001")
    assert result.returncode == 2
    assert "was not read to its end within 0 s (SCAN_SECONDS=3600" in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert CLEAN not in result.stdout


def test_ctrl_c_is_one_line_and_no_success(repository, tmp_path):
    slow = tmp_path / "bin" / "git"
    slow.parent.mkdir()
    slow.write_text(f"#!/bin/sh\necho > {tmp_path}/started\nexec sleep 60\n")
    slow.chmod(0o755)
    command = [sys.executable, "-m", "etl_tools.cli", "scan", "--history"]
    environment = repository.environment | {"PATH": f"{slow.parent}:{os.environ['PATH']}"}
    with subprocess.Popen(
        command, cwd=repository.path, env=environment, stdout=-1, stderr=-1, text=True, start_new_session=True
    ) as scan:
        while not (tmp_path / "started").exists():
            assert scan.poll() is None
            time.sleep(0.05)
        os.killpg(scan.pid, signal.SIGINT)
        out, err = scan.communicate()
    assert scan.returncode == 130
    assert err == "Stopped before the end: nothing is known of the rest.\n"
    assert out == ""


# --- A private key, however it is written

BODY = "MIIEowIBAAKCAQEAyF1f3k5m8Q2w" * 4
KEYS = {
    "plain": "-----BEGIN PRIVATE KEY-----\n{body}\n",
    "Windows": "-----BEGIN PRIVATE KEY-----\r\n{body}\r\n",
    "encrypted": "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,0A1B\n\n{body}\n",
    "a header with words": "-----BEGIN RSA PRIVATE KEY-----\nComment: my own key\n\n{body}\n",
    "on one line": "-----BEGIN RSA PRIVATE KEY----- Proc-Type: 4,ENCRYPTED DEK-Info: AES-128-CBC,0A1B {body}",
    "escaped": r'"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,0A1B\n\n{body}\n"',
    "escaped twice": r'"-----BEGIN RSA PRIVATE KEY-----\\n{body}\\n"',
    "indented": "key: |\n    -----BEGIN EC PRIVATE KEY-----\n    {body}\n",
}


@pytest.mark.parametrize("form", KEYS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_private_key_is_found_in_every_form(folder, form, encoding):
    (folder.path / "note.txt").write_bytes(KEYS[form].format(body=BODY).encode(encoding))
    result = scan_files(folder, "note.txt")
    assert result.returncode == 1
    assert "a private key" in result.stderr


# --- This checkout's own values

PASSWORD = 'p"ä/ss ' + secrets.token_hex(3) + "+%1"
OWN = secrets.token_hex(12)
FIELDS = {
    "URI": f"AIRFLOW_CONN_DB=postgresql://me:{quote(PASSWORD, safe='')}@db.example.com/etl",
    "JSON": "AIRFLOW_CONN_DB=" + json.dumps({"conn_type": "postgres", "password": PASSWORD}),
    "extra": "AIRFLOW_CONN_API=" + json.dumps({"conn_type": "http", "extra": json.dumps({"api_token": PASSWORD})}),
    "query": f"AIRFLOW_CONN_API=http://api.example.com/?token={quote(PASSWORD, safe='')}",
    "extra of a URI": "AIRFLOW_CONN_API=http://api.example.com/?__extra__=" + quote(json.dumps({"secret": PASSWORD})),
    "variable": "AIRFLOW_VAR_KEYS=" + json.dumps({"shop": {"api_key": PASSWORD}}),
}
ENCODINGS = {
    "plain": lambda value: value.encode(),
    "JSON": lambda value: json.dumps(value).encode(),
    "URI": lambda value: quote(value, safe="").encode(),
    "URI in lower case": lambda value: re.sub("%..", lambda code: code[0].lower(), quote(value, safe="")).encode(),
    "hexadecimal": lambda value: value.encode().hex().upper().encode(),
    "base64": lambda value: base64.b64encode(value.encode()),
    "base64, one on": lambda value: base64.b64encode(f"a{value}b".encode()),
    "base64, two on": lambda value: base64.b64encode(f"ab{value}".encode()),
    "base64 of a URI": lambda value: base64.b64encode(f"x://me:{quote(value, safe='')}@host".encode()),
    "base64 for URLs": lambda value: base64.urlsafe_b64encode(value.encode()),
    "base64 twice": lambda value: base64.b64encode(base64.b64encode(value.encode())),
    "base64 in lines": lambda value: base64.encodebytes(f"{'x' * 50}{value}".encode()),
    "base64 in strings": lambda value: (
        b'"%s" \\\n  "%s"' % (lambda text: (text[:9], text[9:]))(base64.b64encode(value.encode()))
    ),
    "base64 of UTF-16": lambda value: base64.b64encode(f"set {value}".encode("utf-16-le")),
    "UTF-16": lambda value: value.replace("ä", "").encode("utf-16"),
}


def found_in(folder, content):
    (folder.path / "values.yaml").write_bytes(b"a: 1\nb: " + content + b"\n")
    result = scan_files(folder, "values.yaml")
    assert result.returncode in (0, 1), result.stderr
    return result.stderr


@pytest.mark.parametrize("field", FIELDS)
def test_what_is_secret_in_a_connection_is_found(folder, field):
    content = base64.b64encode(PASSWORD.encode())
    assert found_in(folder, content) == ""
    (folder.path / "secrets/connections.env").write_text(f"# mine\n{FIELDS[field]}\nAIRFLOW_VAR_REGION=eu-central-1\n")
    name = FIELDS[field].partition("=")[0]
    assert f"values.yaml:2: the value of secrets/connections.env ({name})" in found_in(folder, content)
    assert found_in(folder, b"host: db.example.com, api.example.com, eu-central-1") == ""


@pytest.mark.parametrize("encoding", [name for name in ENCODINGS if name != "UTF-16"])
def test_a_value_is_found_in_every_encoding(folder, encoding):
    (folder.path / "secrets/connections.env").write_text(FIELDS["URI"])
    printed = found_in(folder, ENCODINGS[encoding](PASSWORD))
    assert "the value of secrets/connections.env (AIRFLOW_CONN_DB)" in printed
    assert PASSWORD not in printed


def test_a_value_on_two_lines_that_other_versions_have_apart_is_found(repository):
    """What was read once is not read again; only both lines together are the value."""
    (repository.path / "secrets/token").write_text(OWN)
    repository.write("a.txt", f"{OWN[:12]}\n{OWN[12:]}\nz\n")
    repository.commit("--no-verify")
    repository.write("a.txt", f"{OWN[:12]}\nx\n")
    repository.write("b.txt", f"y\n{OWN[12:]}\nz\n")
    repository.commit("--no-verify")
    assert "a.txt:2: the value of secrets/token" in repository.scan().stdout


def test_a_file_of_windows_is_read(folder):
    (folder.path / "secrets/token").write_text(OWN)
    assert "the value of secrets/token" in found_in(folder, f"{OWN}\n".encode("utf-16"))


def test_the_database_s_password_is_found(folder):
    url = f"postgresql://etl:{quote(PASSWORD, safe='')}@db.example.com:5432/airflow"
    (folder.path / "secrets/database_url").write_text(f"{url}\n")
    assert "the value of secrets/database_url" in found_in(folder, PASSWORD.encode())
    assert found_in(folder, b"db.example.com:5432/airflow") == ""


@pytest.mark.parametrize("name", ["staging/connections.env", "staging/fernet_key", "google.json", "jwt_secret.old"])
def test_every_file_of_secrets_counts(folder, name):
    texts = {"connections.env": f"MY_TOKEN={OWN}", "google.json": json.dumps({"type": "x", "private_key_id": OWN})}
    path = folder.path / "secrets" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(texts.get(path.name, OWN))
    assert f"the value of secrets/{name}" in found_in(folder, OWN.encode())


def test_a_part_of_the_deploy_key_is_found_without_its_header(folder):
    lines = (folder.path / "secrets/deploy_key").read_text().splitlines()
    assert "the value of secrets/deploy_key" in found_in(folder, lines[2].encode())
    assert found_in(folder, lines[1].encode()) == ""  # the same in every key
    assert found_in(folder, (folder.path / "secrets/deploy_key.pub").read_bytes()) == ""


def test_a_value_too_common_to_look_for_is_named(repository):
    (repository.path / "secrets/connections.env").write_text(
        "AIRFLOW_CONN_A=x://me:postgres@h\nAIRFLOW_CONN_B=x://me:abc1@h\n"
    )
    assert scan_files(repository, "README.md").returncode == 0
    printed = repository.scan().stdout
    assert "secrets/connections.env (AIRFLOW_CONN_A), secrets/connections.env (AIRFLOW_CONN_B)" in printed
    assert "Not looked for" in printed


# --- Tokens of others, by detect-secrets

JWT = ".".join(
    base64.urlsafe_b64encode(part).rstrip(b"=").decode()
    for part in (
        b'{"alg":"HS256","typ":"JWT"}',
        b'{"sub":"1234567890","name":"x"}',
        b"0123456789abcdef0123456789abcdef",
    )
)
OTHERS = {
    "stripe": "key: " + "sk_live_" + "a1B2c3D4" * 3,
    "sendgrid": "SG." + "a1B2c3D4e5F6g7H8i9J0k1" + "." + "a1B2c3D4e5F6g7H8i9J0k1a1B2c3D4e5F6g7H8i9J0k",
    "npm": "//registry.npmjs.org/:_authToken=" + "npm_" + "a1B2c3D4e5F6" * 3,
    "jwt": f"token={JWT}",
    "pypi": "pypi-AgEIcHlwaS5vcmcCJ" + "a1B2c3D4" * 10,
    "basic auth": "https://etl:" + "s3cr3tW0rd9x" + "@example.com/data",
    "yaml password": "password: " + "s3cr3tW0rd9x",
    "python password": "password = '" + "s3cr3tW0rd9x" + "'",
    "env password": "DB_PASSWORD=" + "s3cr3tW0rd9x",
}
NAMES = {"yaml password": "values.yaml", "python password": "note.py", "env password": "prod.env"}
HARMLESS = {
    "words": "password = 'correct-horse'\npasswordSecretName: my-etl-admin\n",
    "template": "password: {{ conn.db.password2 }}\npassword: ${PASSWORD1}\nurl: https://me:${TOKEN2x}@host/\n",
    "placeholder": "postgresql://USER:PASSWORD@HOST:5432/DATABASE\n",
    "commit": 'rev: "8a65a360d51250221193ed0ec5ed292e72b32b0b"\n',
    "allowed": f"password = '{'s3cr3tW0rd9x'}'  # pragma: allowlist secret\n",
}


@pytest.mark.parametrize("kind", OTHERS)
def test_tokens_of_services_are_found(folder, kind):
    name = NAMES.get(kind, "note.txt")
    (folder.path / name).write_text(f"a\n{OTHERS[kind]}\n")
    result = scan_files(folder, name)
    assert result.returncode == 1
    assert f"{name}:2: " in result.stderr
    assert "(detect-secrets; " in result.stderr


@pytest.mark.parametrize("kind", HARMLESS)
@pytest.mark.parametrize("name", ["note.md", "values.yaml", "note.py"])
def test_what_is_no_token_passes(folder, kind, name):
    (folder.path / name).write_text(HARMLESS[kind])
    result = scan_files(folder, name)
    assert (result.returncode, result.stderr) == (0, "")


def test_in_a_long_line_too(folder):
    for before in (0, 1400, 1990, 100_000):
        (folder.path / "note.txt").write_text("x " * (before // 2) + OTHERS["basic auth"])
        assert scan_files(folder, "note.txt").returncode == 1, before


def test_a_line_with_a_keyword_is_read_for_it(bake):
    """Of any release of detect-secrets, in any case: lines without one are not."""
    from detect_secrets.plugins.keyword import DENYLIST

    parts = evaluate(bake(), "secrets.scan", lambda scan: scan.IN_KEYWORDS)
    assert [word for word in DENYLIST if not any(part in word.casefold() for part in parts)] == []


@pytest.mark.parametrize("name", ["password", "PassWord", "pa\u017f\u017fword", "api_\u212aey"])
def test_a_keyword_in_any_case_is_found(folder, name):
    """As `re.IGNORECASE` takes it, which knows a long s and the sign for Kelvin."""
    (folder.path / "note.py").write_text(f'{name} = "q7Zr9Lm2XvT5w"\n')
    assert scan_files(folder, "note.py").returncode == 1


def test_what_somebody_looked_at_is_accepted(repository):
    """By detect-secrets' own file, for old commits too; this checkout's own values are accepted by nothing."""
    repository.write("note.py", f"{OTHERS['python password']}\n")
    repository.commit("--no-verify")
    result = repository.scan()
    assert result.returncode != 0
    found = result.stdout.split("(detect-secrets; ")[1].split(")")[0]
    written = subprocess.run(
        [BIN / "detect-secrets", "scan", "note.py"], cwd=repository.path, capture_output=True, text=True
    ).stdout
    assert found in written
    (repository.path / ".secrets.baseline").write_text(written)
    result = repository.scan()
    assert result.returncode == 0, result.stdout
    (repository.path / ".secrets.baseline").write_text("{}")
    result = repository.scan()
    assert result.returncode == 2
    assert ".secrets.baseline is not as detect-secrets writes it" in result.stdout
    assert CLEAN not in result.stdout


def test_no_rule_asks_a_server():
    """detect-secrets verifies what it finds only where its filters are asked, which are not."""
    source = (TEMPLATE / "src/etl_tools/secrets/scan.py").read_text()
    assert "verif" not in source.replace("--no-verify", "")
    assert "default_settings" not in source
