"""Replace a key or password by a new one: `make rotate-deploy-key`, `make rotate NAME=jwt_secret`.

The old one stays beside it, as NAME.old, until the new one was seen to be in use. After a failure run it
again: it goes on where it stopped.
"""

import os
from pathlib import Path

from etl_tools import answers
from etl_tools.cluster.apply_secrets import apply as apply_manifests
from etl_tools.cluster.apply_secrets import check_conflicts, in_cluster, new, token, token_data
from etl_tools.cluster.doctor.repository import explained
from etl_tools.cluster.kubectl import ClusterError, in_pod, restart, show_cluster
from etl_tools.secrets import github_app
from etl_tools.secrets.git_server import ask_server, where_to_register
from etl_tools.secrets.keys import RANDOM_TEXTS, locked_secrets, new_deploy_key, write_private
from etl_tools.secrets.manifests import Secrets, files, secret_data

# Secrets that hold more than the file itself.
DERIVED = {"postgres_password": "metadata", "redis_password": "broker"}
ALTER_USER = """
read -r old; read -r new
login() { PGPASSWORD=$1 psql -q -h 127.0.0.1 -U postgres -v ON_ERROR_STOP=1 -Atc "$2"; }
change="ALTER USER postgres PASSWORD '$new'"
# The second one works if an earlier run got this far.
login "$old" "$change" || login "$new" "$change"
login "$new" "SELECT 1" > /dev/null
"""
RESET_ADMIN = 'read -r password; airflow users reset-password --username admin --password "$password"'
# With the new key alone, everything that Airflow has encrypted can be read.
READ_ALL = """
import sys
from airflow import settings
from cryptography.fernet import Fernet
from sqlalchemy import inspect, text
settings.configure_orm()
key = Fernet(sys.stdin.readline().strip())
tables = {"connection", "variable", "trigger", "connection_test_request"}
with settings.engine.connect() as database:
    for table in tables & {*inspect(database).get_table_names()}:
        for row in database.execute(text("SELECT * FROM " + table)):
            for value in row:
                if str(value).startswith("gAAAAA"):
                    try:
                        key.decrypt(value.encode())
                    except Exception:
                        sys.exit(f"the new key does not read all of table {table}")
"""
ENCRYPT = f"""
read -r key
airflow rotate-fernet-key
echo "$key" | python -c '{READ_ALL}'
"""


def path(name: str) -> Path:
    return answers.SECRETS / name


def unfinished(name: str) -> bool:
    if name == "deploy_key":  # the private half is in place, and the rest was to come
        moved = path("deploy_key.old.pub").exists() or path("deploy_key.new.pub").exists()
        return moved and not path("deploy_key.new").exists()
    return path(f"{name}.old").exists() or path(f"{name}.new").exists()


def check_cluster(name: str) -> None:
    """Refuse where the cluster has other keys than this checkout, but for what an unfinished run left."""
    wanted = secret_data()
    there = in_cluster(secret for secret, _ in wanted)
    if not there:
        raise ClusterError(f"namespace {answers.NAMESPACE} has none of this project's Secrets: make deploy")
    own = {files()[name][0], f"{answers.SLUG}-{DERIVED.get(name)}"} if unfinished(name) else set()
    check_conflicts({pair: content for pair, content in wanted.items() if pair[0] not in own}, there)


def apply(wanted: Secrets | None = None, *, then_restart: bool = True) -> None:
    """Bring to the cluster what is new, and read it back; check_cluster() saw that no more differs."""
    wanted = wanted or secret_data()
    apply_manifests(new(wanted, in_cluster(secret for secret, _ in wanted)))
    if names := {name for name, _ in new(wanted, in_cluster(secret for secret, _ in wanted))}:
        raise ClusterError(f"kubectl apply ended well, and the cluster lacks it: {', '.join(sorted(names))}")
    if then_restart:
        restart()


def rotate_deploy_key() -> None:
    """Make deploy_key.new; once it is registered, put it in the place of deploy_key and in the cluster."""
    draft, new_public, old_public = (path(f"deploy_key.{end}") for end in ("new", "new.pub", "old.pub"))
    page = where_to_register(answers.GIT_REPO)
    if not unfinished("deploy_key"):
        if not draft.exists():
            new_deploy_key(draft)
        remote = ask_server("ls-remote", "--heads", answers.GIT_REPO, key=draft)
        if remote.returncode:
            raise ClusterError(
                f"the new key does not open {answers.GIT_REPO} yet; the old one stays in use. Register\n\n"
                f"{new_public.read_text().strip()}\n\nat {page}\nand run make rotate-deploy-key again. "
                f"({explained(remote.stderr)[0]})"
            )
        print("The new key opens the repository.")
        if path("deploy_key.pub").exists():
            write_private(old_public, path("deploy_key.pub").read_bytes())
        draft.replace(path("deploy_key"))
    if new_public.exists():
        new_public.replace(path("deploy_key.pub"))
    try:
        apply()
    except ClusterError as problem:
        raise ClusterError(
            f"{problem}\n{answers.in_secrets('')}/ holds the new key, the cluster maybe still the old one: "
            "keep both registered, and run make rotate-deploy-key again as soon as the cluster answers"
        ) from None
    if old_public.exists():
        print(f"Now remove the old key at {page}:\n{old_public.read_text().strip()}")
        old_public.unlink()


def rotate_text(name: str) -> None:
    """Replace one of the keys and passwords, here and in the cluster, or go on with a run that stopped."""
    current, kept, draft = path(name), path(f"{name}.old"), path(f"{name}.new")
    old = (kept if kept.exists() else current).read_text()
    value = draft.read_text() if draft.exists() else current.read_text().partition(",")[0]
    if value == old:
        value = RANDOM_TEXTS[name]()
    if name == "postgres_password" and not kept.exists():
        # The database first: were it out of reach, the next `make secrets` would lock everybody out.
        write_private(draft, value.encode())
        in_pod("statefulset/postgresql", ALTER_USER, stdin=f"{old}\n{value}\n")
    write_private(kept, old.encode())
    if name == "fernet_key":
        # Airflow reads with both keys while it encrypts every connection and variable again.
        write_private(current, f"{value},{old}".encode())
        apply()
        in_pod("deployment/api-server", ENCRYPT, stdin=f"{value}\n")
    write_private(current, value.encode())
    draft.unlink(missing_ok=True)
    apply(then_restart=name != "admin_password")
    if name == "admin_password":
        in_pod("deployment/api-server", RESET_ADMIN, stdin=f"{value}\n")
    kept.unlink()
    print(f"{answers.in_secrets(name)} is new, here and in the cluster.")


def rotate_git_token() -> None:
    """Replace the token in the cluster by one that opens the repository; it stands in no file here."""
    if (given := token({})) is None:  # only where the cluster may keep its own
        raise ClusterError("there is no git token")
    os.environ["GIT_TOKEN"] = given
    remote = ask_server("ls-remote", "--heads", answers.GIT_REPO)
    if remote.returncode:
        raise ClusterError(
            f"this token does not open {answers.GIT_REPO}, the one in the cluster stays: {explained(remote.stderr)[0]}"
        )
    print("The token opens the repository.")
    apply(token_data(given))
    print("The git token is new in the cluster. Now revoke the old one.")


def rotate(name: str) -> None:
    """Replace the key or password of this name; ClusterError where there is none."""
    known = [name for name in files() if name not in github_app.FILES]
    known += ["git_token"] * (answers.GIT_ACCESS == "https-token")
    if name not in known:
        raise ClusterError(f"which one? make rotate NAME=… with one of: {', '.join(known)}")
    with locked_secrets():
        show_cluster()
        replace(name)


def replace(name: str) -> None:
    if name == "git_token":
        return rotate_git_token()
    if not path(name).exists():
        raise ClusterError(f"there is no {answers.in_secrets(name)}: make keys-from-cluster")
    check_cluster(name)
    if name == "deploy_key":
        return rotate_deploy_key()
    try:
        rotate_text(name)
    except (ClusterError, KeyboardInterrupt) as problem:
        kept = f" The old one is in {answers.in_secrets(name)}.old." if path(f"{name}.old").exists() else ""
        further = f"make rotate NAME={name} goes on where this stopped.{kept}"
        raise type(problem)(f"{problem or 'stopped (Ctrl-C)'}\n{further}") from None
