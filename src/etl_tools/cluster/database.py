"""Airflow's database, out of the chart's PostgreSQL and back: `make backup`, `make restore FILE=…`."""

import hashlib
import os
import shlex
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from etl_tools import answers
from etl_tools.cluster import kubectl
from etl_tools.cluster.helm_values import merged
from etl_tools.cluster.kubectl import ClusterError, confirm

DATABASE = f"statefulset/{answers.RELEASE}-postgresql"
LOGIN = "read -r PGPASSWORD; export PGPASSWORD PGHOST=127.0.0.1 PGUSER=postgres\n"
UNKNOWN = "Whether the database was replaced is unknown. Try again: that puts right what is half done"
FOREIGN = "no dump of an Airflow database (it has no alembic_version)"
# kubectl exec can cut what it carries and end with 0 (kubernetes#124571): what was sent is summed up in the
# pod, and the sum is the last line on stderr.
DUMP = f"""{LOGIN}
here=$(mktemp -d); trap 'rm -r "$here"' EXIT; mkfifo "$here/copy"
sha256sum <"$here/copy" >"$here/sum" &
{{ pg_dump --format=custom postgres || : >"$here/failed"; }} | tee "$here/copy"
wait; test ! -e "$here/failed"
echo "sent $(cut -c 1-64 "$here/sum")" >&2
"""
SQL = """sql() { psql --no-psqlrc --quiet -At --dbname=template1 --set=ON_ERROR_STOP=1 "$@"; }
drop() { dropdb --force --if-exists --maintenance-db=template1 restored 2>/dev/null; }
"""
# Into a database beside the one in use: what fails here changes nothing, and leaves nothing. First, what a
# run left that was cut off is put right: the database is there, and open.
LOAD = f"""{LOGIN}{SQL}
loaded=
trap 'test -n "$loaded" || drop' EXIT
trap 'exit 1' HUP INT TERM
if ! sql -c "SELECT datname FROM pg_database" | grep -qx postgres; then
  last=$(sql -c "SELECT max(datname) FROM pg_database WHERE datname LIKE 'before\\_%'")
  sql -c "ALTER DATABASE $last RENAME TO postgres"
fi
sql -c "ALTER DATABASE postgres ALLOW_CONNECTIONS true"
drop
createdb --maintenance-db=template1 --template=template0 restored
pg_restore --exit-on-error --no-owner --dbname=restored
version=$(psql --dbname=restored -Atc 'SELECT version_num FROM alembic_version' 2>/dev/null) || :
test -n "$version" || {{
  echo "this is {FOREIGN}" >&2
  exit 1
}}
loaded=yes
echo "loaded $version" >&2
"""
# Both names at once, or none. Whatever happens, the database that Airflow knows is open afterwards.
SWAP = f"""{LOGIN}{SQL}
trap 'sql -c "ALTER DATABASE postgres ALLOW_CONNECTIONS true"' EXIT
trap 'exit 1' HUP INT TERM
sql -c "ALTER DATABASE postgres ALLOW_CONNECTIONS false"
sql -o /dev/null -c "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'postgres'"
sql --single-transaction \\
  -c "ALTER DATABASE postgres RENAME TO $0" -c "ALTER DATABASE restored RENAME TO postgres"
"""
STATE = f"""{LOGIN}{SQL}
echo "databases" $(sql -c "SELECT datname FROM pg_database WHERE datallowconn OR datname LIKE 'before%'") >&2
"""
DROP = f"{LOGIN}{SQL}drop"
# The password, and then a file, are the standard input of what runs in the pod.
PIPE = 'password=$1 source=$2; shift 2; { cat "$password"; echo; cat "$source"; } | "$@"'


def in_database(script: str, *words: str, source: Path = Path("/dev/null"), target: BinaryIO | None = None) -> str:
    """Run a script in the database's pod; return its last line on stderr, by which it says what it did."""
    pod = ("exec", "--stdin", DATABASE, "--")
    in_pod = [*kubectl.command("kubectl"), *pod, "sh", "-ec", script, *words]
    piped = ["sh", "-c", PIPE, "sh", str(answers.SECRETS / "postgres_password"), str(source), *in_pod]
    ended = subprocess.run(piped, stdout=target, stderr=subprocess.PIPE, check=False)
    if ended.returncode:
        raise ClusterError(kubectl.plain_words("kubectl", ended.stderr.decode(errors="replace")))
    return next(iter(ended.stderr.decode(errors="replace").strip().splitlines()[-1:]), "")


def write_dump(file: Path) -> None:
    """Write a dump that only its owner can read: it holds connections and what users typed."""
    file.parent.mkdir(parents=True, exist_ok=True)
    os.umask(0o077)
    draft = file.with_name(f".{file.name}.tmp")
    try:
        with draft.open("wb") as target:
            sent = in_database(DUMP, target=target)
        arrived = hashlib.sha256()
        with draft.open("rb") as written:
            while block := written.read(1_048_576):
                arrived.update(block)
        if sent != f"sent {arrived.hexdigest()}":
            raise ClusterError(f"the dump arrived cut or changed, {file} is as it was before. Try again")
        draft.replace(file)
    finally:
        draft.unlink(missing_ok=True)
    size = f"{file}: {file.stat().st_size:,} bytes"
    print(f"{size}. Keep the Fernet key with it. Back: make restore FILE={file}")


def look_at(file: Path) -> None:
    """Refuse what cannot be a dump of Airflow's database, before anybody is asked."""
    with file.open("rb") as opened:
        start = opened.read(8_388_608)  # the table of contents comes first
    if not start:
        raise ClusterError(f"{file} is empty: nothing was changed")
    if not start.startswith(b"PGDMP"):
        raise ClusterError(f"{file} is no dump that make backup wrote (pg_dump --format=custom): nothing was changed")
    if b"alembic_version" not in start:
        raise ClusterError(f"{file} is {FOREIGN}: nothing was changed")


def put_dump(file: Path) -> None:
    """Put a dump in the place of the database, after a yes, and restart the pods."""
    old = f"before_{time.strftime('%Y%m%d_%H%M%S', time.gmtime())}"
    look_at(file)
    print(f"{file} takes the place of the database; what is there now stays beside it, as {old}.")
    confirm("yes", "Tasks that run now will fail. Go on?")
    replaced = None
    try:
        if not in_database(LOAD, source=file).startswith("loaded "):
            raise ClusterError("kubectl ended early, the dump was not loaded")
        in_database(SWAP, old)
        replaced = was_replaced(old)
    except (ClusterError, KeyboardInterrupt) as problem:
        # What kubectl says is not what was done. A swap that goes on in the pod ends here, or is over.
        with suppress(ClusterError):
            in_database(DROP)
            replaced = was_replaced(old)
        if replaced is None:
            raise type(problem)(f"{problem or 'stopped'}. {UNKNOWN}") from None
        if not replaced:
            raise type(problem)(f"{problem or 'stopped'}: nothing was changed") from None
    if not replaced:
        raise ClusterError("kubectl ended early, and the database was not replaced. Try again")
    print(f"The database was replaced; the one before is {old}.", flush=True)
    try:
        kubectl.restart()
    except KeyboardInterrupt:
        words = shlex.join([*kubectl.command("kubectl"), "rollout", "restart", *kubectl.WORKLOADS])
        raise KeyboardInterrupt(f"the database was replaced, the pods are maybe not all new: {words}") from None
    drop = ("exec", "-it", DATABASE, "--", "dropdb", "--host=127.0.0.1", "--username=postgres", old)
    words = shlex.join([*kubectl.command("kubectl"), *drop])
    print(f"Restored. When the database before is no longer needed (it asks for the postgres_password): {words}")


def was_replaced(old: str) -> bool:
    """Ask the database; ClusterError if it does not tell, or is not there."""
    word, *names = in_database(STATE).split() or [""]
    if word != "databases" or "postgres" not in names:
        raise ClusterError(UNKNOWN)
    return old in names


def backup() -> None:
    """Write the dump to FILE, or to a file of today."""
    refuse_own_database()
    today = f"{answers.in_secrets('')}/backups/{time.strftime('%Y-%m-%d')}.dump"
    write_dump(Path(os.environ.get("FILE") or today))


def restore() -> None:
    """Put the dump FILE in the place of the database."""
    refuse_own_database()
    if not Path(file := os.environ.get("FILE", "")).is_file():
        what = f"there is no file {file}:" if file else "which one?"
        raise ClusterError(f"{what} make restore FILE={answers.in_secrets('')}/backups/….dump")
    put_dump(Path(file))


def refuse_own_database() -> None:
    """Print which cluster is meant; ClusterError where its database is not the chart's."""
    kubectl.show_cluster()
    if not merged().get("postgresql", {}).get("enabled", True):
        raise ClusterError("this installation has a database of its own: back it up by its provider's means")
