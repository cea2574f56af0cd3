"""The Secrets in the cluster: `make secrets`, `make keys-from-cluster`.

What is there with another content is never replaced by surprise: another checkout made it, and the database,
the stored connections and the git server know that one. OVERWRITE=yes, or a Secret's name, replaces it.
The git token is read from GIT_TOKEN or a prompt and goes nowhere but into its Secret.
"""

import base64
import getpass
import json
import os
import sys
from collections.abc import Callable, Iterable

from tools import answers
from tools.cluster.kubectl import ClusterError, done, kubectl, remember, show_cluster
from tools.secrets import connections
from tools.secrets.git_server import address
from tools.secrets.keys import open_secrets, ssh_keygen, write_manifests, write_private
from tools.secrets.manifests import CONNECTIONS, files, kubernetes_manifests, secret_data

Secrets = dict[str, dict[str, bytes]]
TOKEN = f"{answers.SLUG}-git-token"
# The user name that goes with a token, where the server wants a certain one.
USERS = {"github.com": "x-access-token", "gitlab.com": "oauth2", "bitbucket.org": "x-token-auth"}


def in_cluster(names: Iterable[str]) -> Secrets:
    """Return those of these Secrets that the namespace has. Needs leave to read them, not to list all."""
    printed = kubectl("get", "secret", *sorted(names), "--ignore-not-found", "--output=json", timeout=30)
    found = json.loads(printed) if printed.strip() else {"items": []}
    return {
        item["metadata"]["name"]: {
            key: base64.b64decode(value) for key, value in (item.get("data") or {}).items()
        }
        for item in found.get("items", [found])
    }


def differences(wanted: Secrets, there: Secrets) -> list[tuple[str, str, str]]:
    """Return Secret, key and what is different, for all that applying ``wanted`` would replace or remove."""
    found = [
        (name, key, "another content")
        for name, data in wanted.items()
        for key, content in data.items()
        # The server's public keys are in git, in helm/known_hosts: nothing is lost with the old ones.
        if key != "known_hosts" and there.get(name, {}).get(key, content) != content
    ]
    only_there = sorted(there.get(CONNECTIONS, {}).keys() - wanted.get(CONNECTIONS, {}).keys())
    return found + [
        (CONNECTIONS, key, "not in connections.env") for key in only_there if CONNECTIONS in wanted
    ]


def changes(wanted: Secrets, there: Secrets) -> Secrets:
    """Return the Secrets that have to be made or changed; ClusterError for a change nobody asked for."""
    overwrite = os.environ.get("OVERWRITE", "")
    rows = [row for row in differences(wanted, there) if overwrite not in ("yes", row[0])]
    if rows:
        width = max(len(name) for name, _, _ in rows)
        table = "".join(f"\n  {name:{width}}  {key:18}  {what}" for name, key, what in rows)
        raise ClusterError(
            f"namespace {answers.NAMESPACE} has other keys than {answers.in_secrets('')}/. "
            f"Nothing was changed.{table}\n"
            "Work with the cluster's:  make keys-from-cluster\n"
            f"Replace them:             OVERWRITE=yes, or one Secret only: OVERWRITE={rows[0][0]}"
        )
    gone = {name for name, _, what in differences(wanted, there) if name == CONNECTIONS}
    return {
        name: data
        for name, data in wanted.items()
        if name in gone or any(there.get(name, {}).get(key) != content for key, content in data.items())
    }


def token(there: Secrets) -> str | None:
    """Return the git token from GIT_TOKEN or a prompt without echo, or None to keep the cluster's."""
    given = os.environ.get("GIT_TOKEN", "").strip()
    if not given and TOKEN in there:
        print(f"The cluster keeps its git token (a new one: GIT_TOKEN=… OVERWRITE={TOKEN} make secrets).")
        return None
    if not given and sys.stdin.isatty():
        given = getpass.getpass(f"Token that may read {answers.GIT_REPO} (not shown): ").strip()
    if not given:
        raise ClusterError("there is no git token in the cluster yet. Run: GIT_TOKEN=… make secrets")
    if any(character.isspace() for character in given):
        raise ClusterError("GIT_TOKEN holds a space or line end. Copy the token again")
    return given


def token_data(token: str) -> dict[str, bytes]:
    """Return the token under the names that git-sync asks for, and as a connection for a GitDagBundle."""
    user = os.environ.get("GIT_USERNAME") or USERS.get(address(answers.GIT_REPO)[0], "git")
    data = {
        f"{git}_{what}": value
        for git in ("GITSYNC", "GIT_SYNC")
        for what, value in (("USERNAME", user), ("PASSWORD", token))
    }
    if answers.DAG_DELIVERY == "git-dag-bundle":
        connection = {"conn_type": "git", "host": answers.GIT_REPO, "login": user, "password": token}
        data["connection"] = json.dumps(connection)
    return {key: value.encode() for key, value in data.items()}


def compared() -> Secrets:
    """Return what of this checkout's Secrets the cluster lacks. Reads only; ClusterError if it has others."""
    if missing := [name for name in files() if not (answers.SECRETS / name).exists()]:
        raise ClusterError(
            f"{answers.in_secrets('')}/ lacks {', '.join(missing)}. If Airflow runs already, take its keys: "
            "make keys-from-cluster. For a new installation: make keys"
        )
    wanted = secret_data()
    there = in_cluster([*wanted, TOKEN, CONNECTIONS])
    if answers.GIT_ACCESS == "https-token" and (given := token(there)):
        wanted[TOKEN] = token_data(given)
    return changes(wanted, there)


def check_external() -> None:
    """Look whether every Secret that the values name is there, with its keys; ClusterError if not."""
    from tools.cluster.helm_values import merged, named_secrets

    named = list(named_secrets(merged()))
    there = in_cluster({name for name, _ in named})
    lacking = sorted(
        {f"{name} ({key})" for name, keys in named for key in keys if not there.get(name, {}).get(key)}
    )
    if lacking:
        raise ClusterError(
            f"namespace {answers.NAMESPACE} lacks what the values name: {', '.join(lacking)}. "
            "Who makes the Secrets there? See docs/keys.md; SECRETS=external makes none"
        )
    print(f"Secrets made by others are there, with their keys: {len({name for name, _ in named})}")


def bring() -> None:
    """Bring this checkout's Secrets to the cluster; with SECRETS=external, look whether they are there."""
    if os.environ.get("SECRETS") == "external":
        check_external()
    else:
        put(compared())


def put(secrets: Secrets) -> None:
    """Bring to the cluster what is missing or another there, and print kubectl's lines."""
    write_manifests()
    if not secrets:
        print("The cluster has these Secrets already: nothing was written.")
        return
    ensure_namespace()
    # Server-side, so that no copy of a secret ends up in an annotation. By force: who made a Secret does not
    # matter once it was compared. From standard input: a kubectl from a snap may not read this folder.
    manifests = kubernetes_manifests(secrets)
    print(kubectl("apply", "--server-side", "--force-conflicts", "--filename=-", stdin=manifests), end="")


def ensure_namespace() -> None:
    try:
        missing = not kubectl(
            "get", "namespace", answers.NAMESPACE, "--ignore-not-found", "-o", "name"
        ).strip()
    except ClusterError:  # not everybody may look at namespaces; more than that, and the next call says so
        return
    if missing:
        print(kubectl("create", "namespace", answers.NAMESPACE), end="")


def from_cluster() -> None:
    """Write the cluster's keys into secrets/; ClusterError where a file there has other content."""
    database = f"{answers.SLUG}-database"
    there = in_cluster([*(secret for secret, _ in files().values()), CONNECTIONS, database])
    found = {
        name: there[secret][key] for name, (secret, key) in files().items() if key in there.get(secret, {})
    }
    if not found:
        raise ClusterError(
            f"namespace {answers.NAMESPACE} has none of this project's Secrets. For new keys: make keys"
        )
    if url := there.get(database, {}).get("kedaConnection"):
        found["database_url"] = url + b"\n"
    if environment := there.get(CONNECTIONS):
        values = {name: value.decode() for name, value in environment.items()}
        lines = "".join(f"{name}={value}\n" for name, value in values.items())
        if connections.parse(lines) != values:
            raise ClusterError(f"a value of the Secret {CONNECTIONS} fits on no line of connections.env")
        if connections.read() != values:  # else the same, with comments or in another order
            found[connections.FILE.name] = lines.encode()
    here = {
        name: (answers.SECRETS / name).read_bytes() for name in found if (answers.SECRETS / name).exists()
    }
    # A number of a GitHub App that was written with a line end is the same number.
    other = [name for name, content in here.items() if content.strip() != found[name].strip()]
    if other and os.environ.get("OVERWRITE") != "yes":
        raise ClusterError(
            f"{answers.in_secrets('')}/ holds other content in {', '.join(other)}. Nothing was written. "
            "Put these aside, or lose them: make keys-from-cluster OVERWRITE=yes"
        )
    new = [name for name in found if here.get(name) != found[name]]
    for name in new:
        write_private(answers.SECRETS / name, found[name])
    if "deploy_key" in new:
        public = ssh_keygen("-y", "-P", "", "-f", str(answers.SECRETS / "deploy_key"))
        write_private(answers.SECRETS / "deploy_key.pub", public.encode())
    print(f"Written: {', '.join(map(answers.in_secrets, new))}" if new else "These keys are here already.")
    if lacking := [name for name in files() if name not in found]:
        print(f"The cluster has no {', '.join(lacking)}: make keys makes what is missing.")
    else:
        write_manifests()


def main(action: Callable[[], None]) -> None:
    open_secrets()  # locked until this process ends
    cluster = show_cluster()
    action()
    remember(cluster)


if __name__ == "__main__":
    target, action = ("keys-from-cluster", from_cluster) if sys.argv[1:] else ("secrets", bring)
    sys.exit(done(target, main, action))
