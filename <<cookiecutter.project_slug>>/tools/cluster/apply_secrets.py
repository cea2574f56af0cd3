"""Put the Secrets into the cluster: `make secrets`.

Those of secrets/kubernetes.yaml, and with git_access https-token the token, which is read from GIT_TOKEN or
from a prompt and goes nowhere but into the Secret: not on disk, not on a command line.
"""

import getpass
import json
import os
import sys

from tools import answers
from tools.cluster.kubectl import ClusterError, kubectl
from tools.secrets.git_server import address
from tools.secrets.manifests import kubernetes_manifests, manifest

# The user name that goes with a token, where the server wants a certain one.
USERS = {"github.com": "x-access-token", "gitlab.com": "oauth2", "bitbucket.org": "x-token-auth"}


def token_secret_name() -> str:
    return f"{answers.SLUG}-git-token"


def exists(kind: str, name: str) -> bool:
    return bool(kubectl("get", kind, name, "--ignore-not-found", "-o", "name").strip())


def asked_token() -> str | None:
    """Return the token from GIT_TOKEN or a prompt without echo, or None to keep the one in the cluster."""
    token = os.environ.get("GIT_TOKEN", "").strip()
    if not token and exists("secret", token_secret_name()):
        print("The cluster keeps its git token (a new one: GIT_TOKEN=… make secrets).")
        return None
    if not token and sys.stdin.isatty():
        token = getpass.getpass(f"Token that may read {answers.GIT_REPO} (not shown): ").strip()
    if not token:
        raise ClusterError("there is no git token in the cluster yet. Run: GIT_TOKEN=… make secrets")
    if any(character.isspace() for character in token):
        raise ClusterError("GIT_TOKEN holds a space or line end. Copy the token again")
    return token


def token_manifest(token: str) -> str:
    """Return the Secret under the names that git-sync asks for, and as a connection for a GitDagBundle."""
    user = os.environ.get("GIT_USERNAME") or USERS.get(address(answers.GIT_REPO)[0], "git")
    data = {
        "GITSYNC_USERNAME": user,
        "GITSYNC_PASSWORD": token,
        "GIT_SYNC_USERNAME": user,
        "GIT_SYNC_PASSWORD": token,
    }
    if answers.DAG_DELIVERY == "git-dag-bundle":
        connection = {"conn_type": "git", "host": answers.GIT_REPO, "login": user, "password": token}
        data["connection"] = json.dumps(connection)
    return manifest(token_secret_name(), {key: value.encode() for key, value in data.items()})


def apply(manifests: str) -> str:
    """Apply manifests and return kubectl's lines."""
    # Server-side, so that no copy of a secret ends up in an annotation; from standard input, because a
    # kubectl that came as a snap may not read this folder.
    return kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=manifests)


def ensure_namespace() -> None:
    try:
        missing = not exists("namespace", answers.NAMESPACE)
    except ClusterError:  # not everybody may look at namespaces; more than that, and the next call says so
        return
    if missing:
        print(kubectl("create", "namespace", answers.NAMESPACE), end="")


def main() -> int:
    try:
        manifests = kubernetes_manifests()
        ensure_namespace()
        if answers.GIT_ACCESS == "https-token" and (token := asked_token()):
            manifests += f"---\n{token_manifest(token)}"
        print(apply(manifests), end="")
    except (ClusterError, OSError, ValueError) as problem:
        print(f"make secrets: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
