"""Replace a key or password by a new one: `make rotate-deploy-key`, `make rotate NAME=jwt_secret`.

The old one stays beside it, as NAME.old, until the new one is in use. After a failure run it again: it goes
on where it stopped.
"""

import sys
from pathlib import Path

from tools import answers
from tools.cluster.apply_secrets import differences, in_cluster, put
from tools.cluster.kubectl import ClusterError, done, kubectl, restart, show_cluster
from tools.secrets import github_app
from tools.secrets.git_server import ask_server, where_to_register
from tools.secrets.keys import RANDOM_TEXTS, new_deploy_key, open_secrets, write_private
from tools.secrets.manifests import files, secret_data

CONSEQUENCES = {
    "api_secret_key": "Everybody who is logged in has to log in again.",
    "jwt_secret": "Tasks that run now lose their connection to Airflow and are tried again.",
    "postgres_password": "Airflow cannot reach its database until its pods have restarted.",
    "redis_password": "Tasks that wait in the queue are queued again by the scheduler.",
}
# Secrets that hold more than the file itself.
DERIVED = {"postgres_password": ["metadata"], "redis_password": ["broker"]}


def path(name: str) -> Path:
    return answers.SECRETS / name


def check_cluster(name: str) -> None:
    """Refuse where the cluster has other keys than this checkout, but for what an unfinished run left."""
    wanted = secret_data()
    there = in_cluster(wanted)
    own = {files()[name][0], *(f"{answers.SLUG}-{secret}" for secret in DERIVED.get(name, ()))}
    other = {row[0] for row in differences(wanted, there)} - (own if unfinished(name) else set())
    if other or not there:
        what = f"other content in {', '.join(sorted(other))}" if other else "none of this project's Secrets"
        raise ClusterError(
            f"namespace {answers.NAMESPACE} has {what}: nothing was changed. "
            f"First: {'make keys-from-cluster' if other else 'make deploy'}"
        )


def unfinished(name: str) -> bool:
    if name == "deploy_key":  # the private half is in place, and the rest was to come
        moved = path("deploy_key.old.pub").exists() or path("deploy_key.new.pub").exists()
        return moved and not path("deploy_key.new").exists()
    return path(f"{name}.old").exists() or path(f"{name}.new").exists()


def put_in_cluster() -> None:
    """Bring the Secrets that are new here to the cluster; check_cluster() saw that nothing else differs."""
    wanted = secret_data()
    there = in_cluster(wanted)
    put({name: data for name, data in wanted.items() if there.get(name) != data})


def roll_out() -> None:
    """Give the cluster the Secrets as they are now, and the pods the chance to read them."""
    put_in_cluster()
    restart()


def in_pod(workload: str, script: str, stdin: str) -> str:
    """Run a shell script in a pod; secrets go through standard input, where no process list shows them."""
    return kubectl("exec", "--stdin", workload, "--", "sh", "-ec", script, stdin=stdin)


def rotate_deploy_key() -> None:
    """Make deploy_key.new; once it is registered, put it in the place of deploy_key and in the cluster."""
    new, new_public, old_public = (path(f"deploy_key.{end}") for end in ("new", "new.pub", "old.pub"))
    if not unfinished("deploy_key"):
        if not new.exists():
            new_deploy_key(new)
        remote = ask_server("ls-remote", "--heads", answers.GIT_REPO, key=new)
        if remote.returncode:
            raise ClusterError(
                f"the new key does not open {answers.GIT_REPO} yet; the old one stays in use. Register\n\n"
                f"{new_public.read_text().strip()}\n\nat {where_to_register(answers.GIT_REPO)}\n"
                "and run make rotate-deploy-key again. "
                f"(git says: {(remote.stderr.strip().splitlines() or ['nothing'])[-1]})"
            )
        print("The new key opens the repository.")
        if path("deploy_key.pub").exists():
            write_private(old_public, path("deploy_key.pub").read_bytes())
        new.replace(path("deploy_key"))
    if new_public.exists():
        new_public.replace(path("deploy_key.pub"))
    try:
        roll_out()
    except ClusterError as problem:
        raise ClusterError(
            f"{problem}\n{answers.in_secrets('')}/ holds the new key, the cluster maybe still the old one: "
            "keep both registered, and run make rotate-deploy-key again as soon as the cluster answers"
        ) from None
    if old_public.exists():
        print(f"Now remove the old key at {where_to_register(answers.GIT_REPO)}:")
        print(old_public.read_text().strip())
        old_public.unlink()


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


def begin(name: str) -> tuple[str, str]:
    """Return the old and the new value, with the old one safe in NAME.old, or those of an unfinished run."""
    current, kept, draft = path(name), path(f"{name}.old"), path(f"{name}.new")
    old = kept.read_text() if kept.exists() else current.read_text()
    new = draft.read_text() if draft.exists() else current.read_text().partition(",")[0]
    if new == old:
        new = RANDOM_TEXTS[name]()
    if name == "postgres_password" and not kept.exists():
        # The database first: were it out of reach, the next `make secrets` would lock everybody out.
        write_private(draft, new.encode())
        in_pod(f"statefulset/{answers.RELEASE}-postgresql", ALTER_USER, f"{old}\n{new}\n")
    write_private(kept, old.encode())
    return old, new


def rotate_text(name: str) -> None:
    """Replace one of the keys and passwords, here and in the cluster."""
    if name in CONSEQUENCES:
        print(CONSEQUENCES[name])
    old, new = begin(name)
    api_server = f"deployment/{answers.RELEASE}-api-server"
    if name == "fernet_key":
        # Airflow reads with both keys while it encrypts every connection and variable again.
        write_private(path(name), f"{new},{old}".encode())
        roll_out()
        in_pod(api_server, "airflow rotate-fernet-key", "")
    write_private(path(name), new.encode())
    path(f"{name}.new").unlink(missing_ok=True)
    if name == "admin_password":
        put_in_cluster()
        in_pod(api_server, RESET_ADMIN, f"{new}\n")
    else:
        roll_out()
    path(f"{name}.old").unlink()
    print(f"{answers.in_secrets(name)} is new, here and in the cluster.")


def rotate(name: str) -> None:
    open_secrets()  # locked until this process ends
    show_cluster()
    if not path(name).exists():
        raise ClusterError(f"there is no {answers.in_secrets(name)}: make keys-from-cluster")
    check_cluster(name)
    rotate_deploy_key() if name == "deploy_key" else rotate_text(name)


def main(names: list[str]) -> int:
    known = [name for name in files() if name not in github_app.FILES]
    if len(names) != 1 or names[0] not in known:
        print(f"Which one? make rotate NAME=… with one of: {', '.join(known)}", file=sys.stderr)
        return 2
    name = names[0]
    failed = done("rotate", rotate, name)
    if failed and name != "deploy_key":
        print(f"make rotate NAME={name} goes on where this stopped.", file=sys.stderr)
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
