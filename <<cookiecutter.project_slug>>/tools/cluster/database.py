"""Airflow's database, out of the chart's PostgreSQL and back: `make backup`, `make restore FILE=…`."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import BinaryIO

from tools import answers
from tools.cluster.deploy import confirm
from tools.cluster.helm_values import merged
from tools.cluster.kubectl import ClusterError, done, kubectl_command, plain_words, restart, show_cluster

LOGIN = "read -r PGPASSWORD; export PGPASSWORD PGHOST=127.0.0.1 PGUSER=postgres\n"
DUMP = f"{LOGIN}pg_dump --format=custom postgres"
# Into a database beside the one in use, which is then renamed and kept: what fails before changes nothing.
RESTORE = f"""{LOGIN}
dropdb --if-exists restored
createdb --template=template0 restored
pg_restore --exit-on-error --no-owner --dbname=restored
psql --quiet --output=/dev/null --dbname=template1 --set=ON_ERROR_STOP=1 \\
  --command="ALTER DATABASE postgres ALLOW_CONNECTIONS false" \\
  --command="SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'postgres'" \\
  --command="ALTER DATABASE postgres RENAME TO $0" \\
  --command="ALTER DATABASE restored RENAME TO postgres"
"""  # noqa: S608


def in_database(
    script: str, *words: str, source: BinaryIO | None = None, target: BinaryIO | None = None
) -> None:
    """Run a script in the database's pod; the password, and then ``source``, are its standard input."""
    pod = ("exec", "--stdin", f"statefulset/{answers.RELEASE}-postgresql", "--")
    command = [*kubectl_command(), "--namespace", answers.NAMESPACE, *pod, "sh", "-ec", script, *words]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=target, stderr=subprocess.PIPE) as process:
        try:
            process.stdin.write((answers.SECRETS / "postgres_password").read_bytes() + b"\n")
            if source:
                shutil.copyfileobj(source, process.stdin)
            process.stdin.close()
        except BrokenPipeError:  # it says why below
            pass
        said = process.stderr.read().decode(errors="replace")
    if process.returncode:
        raise ClusterError(plain_words(command[0], said))


def backup(file: Path) -> None:
    """Write a dump that only its owner can read: it holds connections and what users typed."""
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f".{file.name}.tmp")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as target:
        in_database(DUMP, target=target)
    draft.replace(file)
    print(
        f"{file}: {file.stat().st_size:,} bytes. Keep the Fernet key with it. Back: make restore FILE={file}"
    )


def restore(file: Path) -> None:
    """Put a dump in the place of the database, after a yes, and restart the pods."""
    old = f"before_{time.strftime('%Y%m%d_%H%M%S', time.gmtime())}"
    with file.open("rb") as source:
        print(f"{file} takes the place of the database; what is there now stays beside it, as {old}.")
        confirm("yes", "Tasks that run now will fail. Go on?")
        in_database(RESTORE, old, source=source)
    restart()
    print(f"Restored. The database before is {old}; when it is no longer needed: DROP DATABASE {old}")


def main(name: str) -> None:
    action = {"backup": backup, "restore": restore}[name]
    default = f"{answers.in_secrets('')}/backups/{time.strftime('%Y-%m-%d')}.dump"
    file = os.environ.get("FILE", default if action is backup else "")
    show_cluster()
    if not merged().get("postgresql", {}).get("enabled", True):
        raise ClusterError("this installation has a database of its own: back it up by its provider's means")
    if not file:
        raise ClusterError("which one? make restore FILE=secrets/backups/….dump")
    action(Path(file))


if __name__ == "__main__":
    sys.exit(done(sys.argv[1], main, sys.argv[1]))
