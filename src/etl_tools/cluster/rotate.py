"""Replace a key or password by a new one: `make rotate-deploy-key`, `make rotate NAME=jwt_secret`.

The old one stays beside it, as NAME.old, until the new one is in use. After a failure run it again: it goes
on where it stopped.
"""

import sys
from pathlib import Path

from etl_tools import answers
from etl_tools.cluster.apply_secrets import in_cluster, new, put, refuse_surprises
from etl_tools.cluster.doctor.repository import explained
from etl_tools.cluster.kubectl import ClusterError, done, kubectl, restart, show_cluster
from etl_tools.secrets import github_app
from etl_tools.secrets.git_server import ask_server, where_to_register
from etl_tools.secrets.keys import RANDOM_TEXTS, new_deploy_key, open_secrets, write_private
from etl_tools.secrets.manifests import files, secret_data

# Secrets that hold more than the file itself.
DERIVED = {"postgres_password": "metadata", "redis_password": "broker"}
ALTER_USER = """
read -r old; read -r new
# The second one works if an earlier run got this far.
for PGPASSWORD in "$old" "$new"; do
  export PGPASSWORD
  echo "ALTER USER postgres PASSWORD '$new'" | psql -q -h 127.0.0.1 -U postgres -v ON_ERROR_STOP=1 && exit 0
done
exit 1
"""
RESET_ADMIN = 'read -r password; airflow users reset-password --username admin --password "$password"'


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
    refuse_surprises({pair: content for pair, content in wanted.items() if pair[0] not in own}, there)


def apply(*, then_restart: bool = True) -> None:
    """Bring to the cluster what is new here; check_cluster() saw that nothing else differs."""
    wanted = secret_data()
    put(new(wanted, in_cluster(secret for secret, _ in wanted)))
    if then_restart:
        restart()


def in_pod(workload: str, script: str, stdin: str) -> str:
    """Run a shell script in a pod; secrets go through standard input, where no process list shows them."""
    workload = workload.replace("/", f"/{answers.RELEASE}-")
    return kubectl("exec", "--stdin", workload, "--", "sh", "-ec", script, stdin=stdin)


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
        in_pod("statefulset/postgresql", ALTER_USER, f"{old}\n{value}\n")
    write_private(kept, old.encode())
    if name == "fernet_key":
        # Airflow reads with both keys while it encrypts every connection and variable again.
        write_private(current, f"{value},{old}".encode())
        apply()
        in_pod("deployment/api-server", "airflow rotate-fernet-key", "")
    write_private(current, value.encode())
    draft.unlink(missing_ok=True)
    apply(then_restart=name != "admin_password")
    if name == "admin_password":
        in_pod("deployment/api-server", RESET_ADMIN, f"{value}\n")
    kept.unlink()
    print(f"{answers.in_secrets(name)} is new, here and in the cluster.")


def rotate(name: str) -> None:
    if name not in (known := [name for name in files() if name not in github_app.FILES]):
        raise ClusterError(f"which one? make rotate NAME=… with one of: {', '.join(known)}")
    open_secrets()  # locked until this process ends
    show_cluster()
    if not path(name).exists():
        raise ClusterError(f"there is no {answers.in_secrets(name)}: make keys-from-cluster")
    check_cluster(name)
    if name == "deploy_key":
        return rotate_deploy_key()
    try:
        rotate_text(name)
    except ClusterError as problem:
        raise ClusterError(f"{problem}\nmake rotate NAME={name} goes on where this stopped.") from None


if __name__ == "__main__":
    sys.exit(done("rotate", rotate, " ".join(sys.argv[1:])))
