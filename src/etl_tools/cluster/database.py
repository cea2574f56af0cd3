"""Airflow's database, out of the chart's PostgreSQL and back: `make backup`, `make restore FILE=…`."""

import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import BinaryIO

from etl_tools import answers
from etl_tools.cluster import kubectl
from etl_tools.cluster.helm_values import merged
from etl_tools.cluster.kubectl import ClusterError, confirm

LOGIN = "read -r PGPASSWORD; export PGPASSWORD PGHOST=127.0.0.1 PGUSER=postgres\n"
# kubectl exec can cut what it carries and end with 0 (kubernetes#124571): what was sent is summed up in the
# pod, and the sum is the last line on stderr.
DUMP = f"""{LOGIN}
here=$(mktemp -d); trap 'rm -r "$here"' EXIT; mkfifo "$here/copy"
sha256sum <"$here/copy" >"$here/sum" &
{{ pg_dump --format=custom postgres || : >"$here/failed"; }} | tee "$here/copy"
wait; test ! -e "$here/failed"
echo "sent $(cut -c 1-64 "$here/sum")" >&2
"""
# Into a database beside the one in use, which is then renamed and kept: what fails before changes nothing.
RESTORE = f"""{LOGIN}
dropdb --if-exists restored
createdb --template=template0 restored
pg_restore --exit-on-error --no-owner --dbname=restored
version=$(psql --dbname=restored -Atc 'SELECT version_num FROM alembic_version' 2>/dev/null) || :
test -n "$version" || {{
  dropdb restored
  echo "this is no dump of an Airflow database (it has no alembic_version): nothing was changed" >&2
  exit 1
}}
psql --quiet --output=/dev/null --dbname=template1 --set=ON_ERROR_STOP=1 \\
  --command="ALTER DATABASE postgres ALLOW_CONNECTIONS false" \\
  --command="SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'postgres'" \\
  --command="ALTER DATABASE postgres RENAME TO $0" \\
  --command="ALTER DATABASE restored RENAME TO postgres"
echo "restored $0" >&2
"""
# The password, and then a file, are the standard input of what runs in the pod.
PIPE = 'password=$1 source=$2; shift 2; { cat "$password"; echo; cat "$source"; } | "$@"'


def in_database(script: str, *words: str, source: Path = Path("/dev/null"), target: BinaryIO | None = None) -> str:
    """Run a script in the database's pod; return its last line on stderr, by which it says what it did."""
    pod = ("exec", "--stdin", f"statefulset/{answers.RELEASE}-postgresql", "--")
    in_pod = [*kubectl.command("kubectl"), *pod, "sh", "-ec", script, *words]
    piped = ["sh", "-c", PIPE, "sh", answers.SECRETS / "postgres_password", source, *in_pod]
    ended = subprocess.run(piped, stdout=target, stderr=subprocess.PIPE, check=False)
    if ended.returncode:
        raise ClusterError(kubectl.plain_words("kubectl", ended.stderr.decode(errors="replace")))
    return next(iter(ended.stderr.decode(errors="replace").strip().splitlines()[-1:]), "")


def backup(file: Path) -> None:
    """Write a dump that only its owner can read: it holds connections and what users typed."""
    file.parent.mkdir(parents=True, exist_ok=True)
    os.umask(0o077)
    draft = file.with_name(f".{file.name}.tmp")
    with draft.open("wb") as target:
        told = in_database(DUMP, target=target)
    arrived = hashlib.sha256()
    with draft.open("rb") as written:
        while block := written.read(1_048_576):
            arrived.update(block)
    if told != f"sent {arrived.hexdigest()}":
        draft.unlink()
        raise ClusterError(f"the dump arrived cut or changed, {file} is as it was before. Try again")
    draft.replace(file)
    size = f"{file}: {file.stat().st_size:,} bytes"
    print(f"{size}. Keep the Fernet key with it. Back: make restore FILE={file}")


def restore(file: Path) -> None:
    """Put a dump in the place of the database, after a yes, and restart the pods."""
    old = f"before_{time.strftime('%Y%m%d_%H%M%S', time.gmtime())}"
    file.open("rb").close()  # there is none, or none that may be read: said before anybody is asked
    print(f"{file} takes the place of the database; what is there now stays beside it, as {old}.")
    confirm("yes", "Tasks that run now will fail. Go on?")
    if in_database(RESTORE, old, source=file) != f"restored {old}":
        raise ClusterError("kubectl ended early; whether the database was replaced is unknown: try again")
    kubectl.restart()
    print(f"Restored. The database before is {old}; when it is no longer needed: DROP DATABASE {old}")


def main(name: str) -> None:
    action = {"backup": backup, "restore": restore}[name]
    default = f"{answers.in_secrets('')}/backups/{time.strftime('%Y-%m-%d')}.dump"
    file = os.environ.get("FILE", default if action is backup else "")
    kubectl.show_cluster()
    if not merged().get("postgresql", {}).get("enabled", True):
        raise ClusterError("this installation has a database of its own: back it up by its provider's means")
    if not file:
        raise ClusterError("which one? make restore FILE=secrets/backups/….dump")
    action(Path(file))


if __name__ == "__main__":
    sys.exit(kubectl.done(sys.argv[1], main, sys.argv[1]))
