"""The Kubernetes Secrets that helm/values.yaml names, made from the files in secrets/ byte for byte."""

import base64

from tools import answers


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
        raise ValueError(
            f"secrets/{name} is empty, no text, or holds a space or line end. Write it without one "
            f"(printf %s …), or run: rm secrets/{name} && make keys"
        )
    return content


def in_url(password: str) -> str:
    from urllib.parse import quote

    return password if password.isalnum() and password.isascii() else quote(password, safe="")


def secret_data() -> dict[str, dict[str, bytes]]:
    """Return Secret name → key → bytes, for every secret whose file is there."""
    slug, release = answers.SLUG, answers.RELEASE
    data: dict[str, dict[str, bytes]] = {}

    deploy_key = answers.SECRETS / "deploy_key"
    if answers.GIT_ACCESS == "ssh-deploy-key" and deploy_key.exists():
        data[f"{slug}-git-ssh"] = {
            "gitSshKey": deploy_key.read_bytes(),
            "known_hosts": answers.KNOWN_HOSTS.read_bytes() if answers.KNOWN_HOSTS.exists() else b"",
        }
    data[f"{slug}-fernet"] = {"fernet-key": text("fernet_key").encode()}
    data[f"{slug}-api-secret"] = {"api-secret-key": text("api_secret_key").encode()}
    data[f"{slug}-jwt"] = {"jwt-secret": text("jwt_secret").encode()}
    data[f"{slug}-admin"] = {"password": text("admin_password").encode()}

    postgres = text("postgres_password")
    host = f"{release}-postgresql.{answers.NAMESPACE}"
    data[f"{slug}-postgres"] = {"postgres-password": postgres.encode()}
    # The driver is named: SQLAlchemy 2.1 would take psycopg 3, with which Airflow's asset graph fails.
    data[f"{slug}-metadata"] = {
        "connection": f"postgresql+psycopg2://postgres:{in_url(postgres)}@{host}:5432/postgres".encode()
    }
    if answers.EXECUTOR == "CeleryExecutor":
        redis = text("redis_password")
        data[f"{slug}-redis"] = {"password": redis.encode()}
        data[f"{slug}-broker"] = {"connection": f"redis://:{in_url(redis)}@{release}-redis:6379/0".encode()}
    return data


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


def kubernetes_manifests() -> str:
    """Return all Secrets as one YAML stream; the same files give the same text."""
    return "---\n".join(manifest(name, data) for name, data in secret_data().items())
