"""The Kubernetes Secrets that helm/values.yaml names, made from the files in secrets/ byte for byte.

`.venv/bin/airflow-etl manifests` prints them, for kubeseal or sops.
"""

import base64
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, unquote

from etl_tools import answers
from etl_tools.secrets import connections, github_app

# File in secrets/ → the Secret (behind the project's name) and the key in it that it is the content of.
FILES = {
    "deploy_key": ("git-ssh", "gitSshKey"),
    "github_app.pem": ("github-app", "private-key"),
    "github_app_id": ("github-app", "app-id"),
    "github_installation_id": ("github-app", "installation-id"),
    "fernet_key": ("fernet", "fernet-key"),
    "api_secret_key": ("api-secret", "api-secret-key"),
    "jwt_secret": ("jwt", "jwt-secret"),
    "admin_password": ("admin", "password"),
    "postgres_password": ("postgres", "postgres-password"),
    "redis_password": ("redis", "password"),
}
# Secret and key in it → content.
Secrets = dict[tuple[str, str], bytes]
CONNECTIONS = f"{answers.SLUG}-connections"
PGBOUNCER = """\
[databases]
{release}-metadata = {server} pool_size=20
[pgbouncer]
listen_addr = *
listen_port = 6543
pool_mode = transaction
max_client_conn = 200
auth_type = scram-sha-256
auth_file = /etc/pgbouncer/users.txt
stats_users = {user}
ignore_startup_parameters = extra_float_digits
server_tls_sslmode = {sslmode}
"""
# KEDA, which then comes through PgBouncer, prepares its statements.
VERIFIED = "server_tls_ca_file = /etc/pgbouncer-ca/root.crt\nmax_prepared_statements = 200\n"
URL = re.compile(r"postgresql://([^\s:/?#@]+):([^\s/?#@]+)@([\w.-]+|\[[\da-f:]+\])(?::(\d+))?/([\w.-]+)")
SSLMODE = re.compile(r"sslmode=(disable|allow|prefer|require|verify-ca|verify-full)")


def files() -> dict[str, tuple[str, str]]:
    """Return file in secrets/ → its Secret and key, for what this project needs."""
    needed = {"deploy_key": answers.SSH, "redis_password": answers.EXECUTOR == "CeleryExecutor"}
    needed |= dict.fromkeys(github_app.FILES, answers.GITHUB_APP)
    return {file: (f"{answers.SLUG}-{name}", key) for file, (name, key) in FILES.items() if needed.get(file, True)}


def text(name: str) -> str:
    """Return a key or password; ValueError if it is empty or holds whitespace, which would be part of it."""
    try:
        content = (answers.SECRETS / name).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        content = ""
    if not content or content.split() != [content]:
        where = answers.in_secrets(name)
        raise ValueError(
            f"{where} is empty, no text, or holds a space or line end. Write it without one "
            f"(printf %s …), or run: rm {where} && make keys"
        )
    return content


def secret_data() -> Secrets:
    """Return the content of every Secret whose file is here; ValueError names a damaged file."""
    slug, release = answers.SLUG, answers.RELEASE
    as_they_are: dict[str, Callable[[str], bytes]] = {"deploy_key": lambda name: (answers.SECRETS / name).read_bytes()}
    as_they_are |= dict.fromkeys(github_app.FILES, github_app.content)
    data = {}
    for name, pair in files().items():
        if name not in as_they_are:
            data[pair] = text(name).encode()
        elif (answers.SECRETS / name).exists():
            data[pair] = as_they_are[name](name)
    if (f"{slug}-git-ssh", "gitSshKey") in data:
        known_hosts = answers.KNOWN_HOSTS.read_bytes() if answers.KNOWN_HOSTS.exists() else b""
        data[f"{slug}-git-ssh", "known_hosts"] = known_hosts
    if answers.GITHUB_APP and answers.DAG_DELIVERY == "git-dag-bundle" and not github_app.missing():
        data[f"{slug}-github-app", "connection"] = github_app.connection()
    # The driver is named: SQLAlchemy 2.1 would take psycopg 3, with which Airflow's asset graph fails.
    password = quote(text("postgres_password"), safe="")
    server = f"{release}-postgresql.{answers.NAMESPACE}:5432/postgres"
    data[f"{slug}-metadata", "connection"] = f"postgresql+psycopg2://postgres:{password}@{server}".encode()
    if "redis_password" in files():
        broker = f"redis://:{quote(text('redis_password'), safe='')}@{release}-redis:6379/0"
        data[f"{slug}-broker", "connection"] = broker.encode()
    if (own := answers.SECRETS / "database_url").exists():
        data |= own_database(own.read_text(encoding="utf-8").strip())
    return data | {(CONNECTIONS, name): value.encode() for name, value in connections.read().items()}


def own_database(url: str) -> Secrets:
    """Return the Secrets that helm/values.production.yaml names, for what secrets/database_url holds."""
    where, file = answers.in_secrets("database_url"), answers.SECRETS / "database_ca.crt"
    address, _, query = url.partition("?")
    if not (form := URL.fullmatch(address)):
        raise ValueError(f"{where} is not of the form postgresql://USER:PASSWORD@HOST:5432/DATABASE (@: %40)")
    if query and not SSLMODE.fullmatch(query):
        names = ", ".join(option.partition("=")[0] for option in query.split("&"))
        raise ValueError(f"{where}: PgBouncer has no option {names}, only {SSLMODE.pattern}")
    verified, authority = "verify-" in query, file.read_bytes() if file.exists() else b""
    if verified != (b"-----BEGIN CERTIFICATE-----" in authority):
        both = f"sslmode=verify-full and {answers.in_secrets(file.name)}, who signed the server's certificate"
        raise ValueError(f"{where}: {both} (PEM), need each other; {query or 'no sslmode'} is there")
    user, password, host, port, database = form.groups()
    login = f"{user}:{password}"  # as in the URL: special characters encoded
    user, password = (unquote(word).replace('"', '""') for word in (user, password))
    through = f"{login}@{answers.RELEASE}-pgbouncer.{answers.NAMESPACE}:6543/{answers.RELEASE}-metadata"
    server = f"host={host.strip('[]')} port={port or 5432} dbname={database}"
    sslmode = query.removeprefix("sslmode=") or "require"
    settings = PGBOUNCER.format(release=answers.RELEASE, server=server, user=user, sslmode=sslmode)
    texts = {  # KEDA asks the server itself, but would not know who signed its certificate
        ("database", "url"): url,
        ("database", "connection"): f"postgresql+psycopg2://{through}",
        ("database", "kedaConnection"): f"postgresql://{through}?sslmode=disable" if verified else url,
        ("database", "pgbouncer-stats"): f"postgresql://{login}@127.0.0.1:6543/pgbouncer?sslmode=disable",
        ("pgbouncer", "pgbouncer.ini"): settings + (VERIFIED if verified else ""),
        ("pgbouncer", "users.txt"): f'"{user}" "{password}"\n',
        ("pgbouncer", "root.crt"): authority.decode(),
    }
    return {(f"{answers.SLUG}-{name}", key): text.encode() for (name, key), text in texts.items() if text}


def kubernetes_manifests(data: Secrets) -> str:
    """Return Secrets as one YAML stream; the same files give the same text."""
    import yaml  # make keys works without it

    items: dict[str, dict[str, Any]] = {}
    for (name, key), content in data.items():
        labels = {"app.kubernetes.io/part-of": answers.SLUG}
        metadata = {"name": name, "namespace": answers.NAMESPACE, "labels": labels}
        new = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", "data": {}}
        items.setdefault(name, new)["data"][key] = base64.b64encode(content).decode()
    return yaml.safe_dump_all(items.values())


def main() -> None:
    """Print the manifests."""
    print(kubernetes_manifests(secret_data()), end="")
