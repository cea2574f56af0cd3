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
from collections.abc import Iterable
from contextlib import suppress

from etl_tools import answers
from etl_tools.cluster.kubectl import REMEMBERED, ClusterError, asked, kubectl, show_cluster
from etl_tools.secrets import connections
from etl_tools.secrets.git_url import address
from etl_tools.secrets.keys import locked_secrets, ssh_keygen, write_private
from etl_tools.secrets.manifests import CONNECTIONS, Secrets, files, kubernetes_manifests, secret_data

TOKEN = f"{answers.SLUG}-git-token"
# The user name that goes with a token, where the server wants a certain one.
USERS = {"github.com": "x-access-token", "gitlab.com": "oauth2", "bitbucket.org": "x-token-auth"}


def in_cluster(names: Iterable[str]) -> Secrets:
    """Return what the namespace has of these Secrets. Needs leave to read them, not to list all."""
    names = sorted({*names})
    printed = kubectl("get", "secret", *names, "--ignore-not-found", "--output=json", timeout=30)
    found = json.loads(printed) if printed.strip() else {"items": []}
    return {
        (item["metadata"]["name"], key): base64.b64decode(value)
        for item in found.get("items", [found])
        for key, value in (item.get("data") or {}).items()
    }


def differences(wanted: Secrets, there: Secrets) -> dict[tuple[str, str], str]:
    """Return Secret and key → what is different, for all that applying ``wanted`` would replace or remove."""
    found = {}
    for pair, content in wanted.items():
        other = there.get(pair, content)
        # The server's public keys are in git, in helm/known_hosts: nothing is lost with the old ones.
        if other != content and pair[1] != "known_hosts":
            twice = b"".join(other.split()) == base64.b64encode(content)
            found[pair] = "encoded twice" if twice else "another content"
    if CONNECTIONS in {name for name, _ in wanted}:
        more = sorted(pair for pair in there.keys() - wanted.keys() if pair[0] == CONNECTIONS)
        found |= dict.fromkeys(more, "not in connections.env")
    return found


def new(wanted: Secrets, there: Secrets) -> Secrets:
    """Return, whole, the Secrets that have to be made or changed."""
    names = {pair[0] for pair in wanted if there.get(pair) != wanted[pair]}
    names |= {name for name, _ in differences(wanted, there)}
    return {pair: content for pair, content in wanted.items() if pair[0] in names}


def check_conflicts(wanted: Secrets, there: Secrets) -> None:
    """Raise ClusterError for a change nobody asked for, with a table of names."""
    overwrite = os.environ.get("OVERWRITE", "")
    found = differences(wanted, there)
    if rows := {pair: found[pair] for pair in found if overwrite not in ("yes", pair[0])}:
        width = max(len(name) for name, _ in rows)
        table = "".join(f"\n  {name:{width}}  {key:18}  {what}" for (name, key), what in rows.items())
        raise ClusterError(
            f"namespace {answers.NAMESPACE} has other keys than {answers.in_secrets('')}/. "
            f"Nothing was changed.{table}\n"
            "Work with the cluster's:  make keys-from-cluster\n"
            f"Replace them:             OVERWRITE=yes, or one Secret only: OVERWRITE={next(iter(rows))[0]}"
        )


def token(there: Secrets) -> str | None:
    """Return the git token from GIT_TOKEN or a prompt without echo, or None to keep the one that is there."""
    given = os.environ.get("GIT_TOKEN", "").strip()
    if not given and TOKEN in {name for name, _ in there}:
        print("The cluster keeps its git token (a new one: make rotate NAME=git_token).")
        return None
    if not given and sys.stdin.isatty():
        given = asked(lambda: getpass.getpass(f"Token that may read {answers.GIT_REPO} (not shown): "))
    if not given:
        raise ClusterError("there is no git token. Put GIT_TOKEN=… before the command, or run it in a terminal")
    if any(character.isspace() for character in given):
        raise ClusterError("GIT_TOKEN holds a space or line end. Copy the token again")
    return given


def token_data(token: str) -> Secrets:
    """Return the token under the names that git-sync asks for, and as a connection for a GitDagBundle."""
    user = os.environ.get("GIT_USERNAME") or USERS.get(address(answers.GIT_REPO)[0], "git")
    data = {f"{git}_USERNAME": user for git in ("GITSYNC", "GIT_SYNC")}
    data |= {f"{git}_PASSWORD": token for git in ("GITSYNC", "GIT_SYNC")}
    if answers.DAG_DELIVERY == "git-dag-bundle":
        connection = {"conn_type": "git", "host": answers.GIT_REPO, "login": user, "password": token}
        data["connection"] = json.dumps(connection)
    return {(TOKEN, key): value.encode() for key, value in data.items()}


def push() -> None:
    """Bring this checkout's Secrets to the cluster; with SECRETS=external, look whether they are there."""
    if os.environ.get("SECRETS") == "external":
        return check_external()
    if missing := [name for name in files() if not (answers.SECRETS / name).exists()]:
        raise ClusterError(
            f"{answers.in_secrets('')}/ lacks {', '.join(missing)}. If Airflow runs already, take its keys: "
            "make keys-from-cluster. For a new installation: make keys"
        )
    wanted = secret_data()
    there = in_cluster([*(name for name, _ in wanted), TOKEN, CONNECTIONS])
    if answers.GIT_ACCESS == "https-token" and (given := token(there)):
        wanted |= token_data(given)
    check_conflicts(wanted, there)
    apply(new(wanted, there))


def check_external() -> None:
    """Look whether every Secret that the values name is there, with its keys; ClusterError if not."""
    from etl_tools.cluster.helm_values import merged, named_secrets

    named = set(named_secrets(merged()))
    there = in_cluster(name for name, _ in named)
    if lacking := [f"{name} ({key})" for name, key in sorted(named) if not there.get((name, key))]:
        raise ClusterError(
            f"namespace {answers.NAMESPACE} lacks what the values name: {', '.join(lacking)}. "
            "Who makes the Secrets there? See docs/keys.md; SECRETS=external makes none"
        )
    print("The Secrets that the values name are there, made by others.")


def apply(secrets: Secrets) -> None:
    """Bring to the cluster what is missing or another there, and print kubectl's lines."""
    if not secrets:
        print("The cluster has these Secrets already: nothing was written.")
        return
    # It may be there, or be made by others. Where it is missing, the next call says so.
    with suppress(ClusterError):
        print(kubectl("create", "namespace", answers.NAMESPACE), end="")
    # Server-side, so that no copy of a secret ends up in an annotation. By force: who made a Secret does not
    # matter once it was compared. From standard input: a kubectl from a snap may not read this folder.
    manifests = kubernetes_manifests(secrets)
    print(kubectl("apply", "--server-side", "--force-conflicts", "--filename=-", stdin=manifests), end="")


def keys_from_cluster() -> None:
    """Write the cluster's keys into secrets/; ClusterError where a file there has other content."""
    database, pgbouncer = f"{answers.SLUG}-database", f"{answers.SLUG}-pgbouncer"
    wanted = files() | {"database_url": (database, "url"), "database_ca.crt": (pgbouncer, "root.crt")}
    there = in_cluster([*(secret for secret, _ in wanted.values()), CONNECTIONS])
    if (database, "kedaConnection") in there:  # the only place of the URL in a cluster set up long ago
        there.setdefault((database, "url"), there[database, "kedaConnection"])
    found = {name: there[pair] for name, pair in wanted.items() if pair in there}
    if not found:
        where = f"namespace {answers.NAMESPACE}"
        raise ClusterError(f"{where} has none of this project's Secrets. For new keys: make keys")
    if "database_url" in found:
        found["database_url"] += b"\n"  # a file of one line
    values = {key: value.decode() for (name, key), value in there.items() if name == CONNECTIONS}
    if values and connections.read() != values:  # else the same, with comments or in another order
        lines = "".join(f"{name}={value}\n" for name, value in values.items())
        if connections.parse(lines) != values:
            raise ClusterError(f"a value of the Secret {CONNECTIONS} fits on no line of connections.env")
        found[connections.FILE.name] = lines.encode()
    paths = {name: answers.SECRETS / name for name in found}
    here = {name: path.read_bytes() for name, path in paths.items() if path.exists()}
    new = [name for name in found if here.get(name) != found[name]]
    # A number of a GitHub App that was written with a line end is the same number.
    other = [name for name in here if here[name].strip() != found[name].strip()]
    if other and os.environ.get("OVERWRITE") != "yes":
        raise ClusterError(
            f"{answers.in_secrets('')}/ holds other content in {', '.join(other)}. Nothing was written. "
            "Put these aside, or lose them: make keys-from-cluster OVERWRITE=yes"
        )
    for name in new:
        write_private(paths[name], found[name])
    if "deploy_key" in new:
        public = ssh_keygen("-y", "-P", "", "-f", str(paths["deploy_key"]))
        write_private(answers.SECRETS / "deploy_key.pub", public.encode())
    print(f"Written: {', '.join(map(answers.in_secrets, new))}" if new else "These keys are here already.")
    if lacking := [name for name in files() if name not in found]:
        print(f"The cluster has no {', '.join(lacking)}: make keys makes what is missing.")


def main(from_cluster: bool) -> None:
    """Bring this checkout's Secrets to the cluster, or the cluster's keys to this checkout."""
    with locked_secrets():
        cluster = show_cluster()
        keys_from_cluster() if from_cluster else push()
        write_private(REMEMBERED, cluster.encode())
