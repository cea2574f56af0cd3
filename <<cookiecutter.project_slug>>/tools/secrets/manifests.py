"""The Kubernetes Secrets that helm/values.yaml names, made from the files in secrets/ byte for byte."""

import base64

from tools import answers
from tools.secrets import connections, github_app

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
CONNECTIONS = f"{answers.SLUG}-connections"


def files() -> dict[str, tuple[str, str]]:
    """Return file in secrets/ → its Secret and key, for what this project needs."""
    needed = {"deploy_key": answers.SSH, "redis_password": answers.EXECUTOR == "CeleryExecutor"}
    needed |= dict.fromkeys(github_app.FILES, answers.GITHUB_APP)
    return {
        file: (f"{answers.SLUG}-{name}", key) for file, (name, key) in FILES.items() if needed.get(file, True)
    }


def text(name: str) -> str:
    """Return a key or password.

    Raises ValueError if it is empty or holds whitespace: a line end that an editor added would become part
    of the password.
    """
    try:
        content = (answers.SECRETS / name).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        content = ""
    if not content or any(character.isspace() for character in content):
        where = answers.in_secrets(name)
        raise ValueError(
            f"{where} is empty, no text, or holds a space or line end. Write it without one "
            f"(printf %s …), or run: rm {where} && make keys"
        )
    return content


def in_url(password: str) -> str:
    from urllib.parse import quote

    return password if password.isalnum() and password.isascii() else quote(password, safe="")


def secret_data() -> dict[str, dict[str, bytes]]:
    """Return Secret → key → content, for every Secret whose file is here."""
    slug, release = answers.SLUG, answers.RELEASE
    data: dict[str, dict[str, bytes]] = {}
    for name, (secret, key) in files().items():
        if name not in ("deploy_key", *github_app.FILES):
            data[secret] = {key: text(name).encode()}
        elif not (path := answers.SECRETS / name).exists():
            continue
        elif name == "deploy_key":
            known_hosts = answers.KNOWN_HOSTS.read_bytes() if answers.KNOWN_HOSTS.exists() else b""
            data[secret] = {key: path.read_bytes(), "known_hosts": known_hosts}
        else:
            data.setdefault(secret, {})[key] = github_app.content(name)
    if answers.GITHUB_APP and answers.DAG_DELIVERY == "git-dag-bundle" and not github_app.missing():
        data[f"{slug}-github-app"]["connection"] = github_app.connection()
    # The driver is named: SQLAlchemy 2.1 would take psycopg 3, with which Airflow's asset graph fails.
    server = f"{in_url(text('postgres_password'))}@{release}-postgresql.{answers.NAMESPACE}:5432"
    data[f"{slug}-metadata"] = {"connection": f"postgresql+psycopg2://postgres:{server}/postgres".encode()}
    if f"{slug}-redis" in data:
        broker = f"redis://:{in_url(text('redis_password'))}@{release}-redis:6379/0"
        data[f"{slug}-broker"] = {"connection": broker.encode()}
    if (own := answers.SECRETS / "database_url").exists():
        data |= own_database(own.read_text(encoding="utf-8").strip())
    if environment := connections.read():
        data[CONNECTIONS] = {name: value.encode() for name, value in environment.items()}
    return data


def own_database(url: str) -> dict[str, dict[str, bytes]]:
    """Return the Secrets that helm/values.production.yaml names, for postgresql://USER:PASSWORD@HOST:5432/DATABASE.

    Airflow goes through PgBouncer, which knows the real server; KEDA asks that one itself.
    """
    from urllib.parse import parse_qs, unquote, urlsplit

    parts = urlsplit(url)
    if parts.scheme != "postgresql" or not (parts.password and parts.hostname and parts.path.strip("/")):
        where = answers.in_secrets("database_url")
        raise ValueError(f"{where} is not of the form postgresql://USER:PASSWORD@HOST:5432/DATABASE")
    login = f"{parts.username}:{parts.password}"  # as in the URL: special characters encoded
    user, password = (unquote(word).replace('"', '""') for word in (parts.username, parts.password))
    server = f"host={parts.hostname} port={parts.port or 5432} dbname={unquote(parts.path[1:])}"
    pgbouncer = {
        "listen_addr": "*",
        "listen_port": 6543,
        "pool_mode": "transaction",
        "max_client_conn": 200,
        "auth_type": "scram-sha-256",
        "auth_file": "/etc/pgbouncer/users.txt",
        "stats_users": user,
        "ignore_startup_parameters": "extra_float_digits",
        "server_tls_sslmode": parse_qs(parts.query).get("sslmode", ["require"])[0],
    }
    settings = "".join(f"{name} = {value}\n" for name, value in pgbouncer.items())
    through = f"{answers.RELEASE}-pgbouncer.{answers.NAMESPACE}:6543/{answers.RELEASE}-metadata"
    texts = {
        "database": {
            "connection": f"postgresql+psycopg2://{login}@{through}",
            "kedaConnection": url,
            "pgbouncer-stats": f"postgresql://{login}@127.0.0.1:6543/pgbouncer?sslmode=disable",
        },
        "pgbouncer": {
            "pgbouncer.ini": f"[databases]\n{answers.RELEASE}-metadata = {server} pool_size=20\n"
            f"[pgbouncer]\n{settings}",
            "users.txt": f'"{user}" "{password}"\n',
        },
    }
    return {
        f"{answers.SLUG}-{name}": {key: text.encode() for key, text in keys.items()}
        for name, keys in texts.items()
    }


def manifest(name: str, data: dict[str, bytes]) -> str:
    """Return one Secret as YAML."""
    lines = [
        "apiVersion: v1",
        "kind: Secret",
        "metadata:",
        f'  name: "{name}"',
        f'  namespace: "{answers.NAMESPACE}"',
        "  labels:",
        f'    app.kubernetes.io/part-of: "{answers.SLUG}"',
        "type: Opaque",
        "data:",
        *(f'  {key}: "{base64.b64encode(content).decode()}"' for key, content in data.items()),
    ]
    return "\n".join(lines) + "\n"


def kubernetes_manifests(data: dict[str, dict[str, bytes]] | None = None) -> str:
    """Return Secrets (by default all) as one YAML stream; the same files give the same text."""
    data = secret_data() if data is None else data
    return "---\n".join(manifest(name, content) for name, content in data.items())
