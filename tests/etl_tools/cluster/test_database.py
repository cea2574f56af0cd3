"""make backup and make restore: there and back on a real PostgreSQL, and nothing lost where it fails."""

import os
import stat
import subprocess
import sys

import pytest

from tests.conftest import run
from tests.etl_tools.cluster import helm_chart
from tests.etl_tools.cluster.cluster import ANSWERS, Cluster
from tests.servers.postgres_server import PostgresServer

pytestmark = pytest.mark.servers


@pytest.fixture
def cluster(bake_fresh, tmp_path):
    return Cluster(bake_fresh(**ANSWERS), tmp_path, helm_chart.tools() / "helm")


@pytest.fixture(scope="module")
def server(bake):
    """A real PostgreSQL with the password that all copies of this bake have."""
    password = (bake(**ANSWERS) / "secrets/postgres_password").read_text()
    with PostgresServer(password) as server:
        yield server


@pytest.fixture
def database(cluster, server):
    """Airflow's database, new, reached as from within its pod; returns a function: SQL → rows."""
    cluster.environment |= {"PGPORT": str(server.port), "PATH": f"{server.programs}:{os.environ['PATH']}"}

    def query(statement, name="postgres", check=True):
        where = ["-h", "127.0.0.1", "-p", str(server.port), "-U", "postgres", "-w", "-d", name, "-Atc", statement]
        environment = os.environ | {"PGPASSWORD": server.password}
        command = [server.programs / "psql", *where]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=check).stdout.split()

    for name in databases(query):
        query(f'DROP DATABASE "{name}" WITH (FORCE)', "template1")
    query("CREATE DATABASE postgres TEMPLATE template0", "template1")
    query(
        "CREATE TABLE dag (dag_id text PRIMARY KEY);"
        "CREATE TABLE alembic_version (version_num text PRIMARY KEY);"
        "INSERT INTO alembic_version VALUES ('29ce7909c52b');"
        "INSERT INTO dag VALUES ('extract'), ('transform')"
    )
    return query


def test_what_was_backed_up_comes_back_and_what_was_there_is_kept(cluster, database):
    file = cluster.project / "secrets/backups/first.dump"
    printed = cluster.make("backup", FILE="secrets/backups/first.dump")
    assert printed.splitlines()[0].startswith("Cluster: ")
    assert file.read_bytes()[:5] == b"PGDMP"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    database("DELETE FROM dag")
    database("INSERT INTO dag VALUES ('later')")

    assert "nothing was done" in cluster.make("restore", expect=2, FILE=str(file))
    assert database("SELECT dag_id FROM dag") == ["later"]
    # Somebody is still connected.
    with subprocess.Popen(
        ["psql", "-h", "127.0.0.1", "-U", "postgres", "-qc", "SELECT pg_sleep(600)"],
        env=os.environ
        | cluster.environment
        | {"PGPASSWORD": (cluster.project / "secrets/postgres_password").read_text()},
        stderr=subprocess.DEVNULL,
    ) as connected:
        while not database("SELECT pid FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)' AND state = 'active'"):
            assert connected.poll() is None
        printed = cluster.make("restore", FILE=str(file), CONFIRM="yes")
    assert database("SELECT dag_id FROM dag ORDER BY 1") == ["extract", "transform"]
    (kept,) = database("SELECT datname FROM pg_database WHERE datname LIKE 'before_%'", "template1")
    database(f"ALTER DATABASE {kept} ALLOW_CONNECTIONS true", "template1")
    assert database("SELECT dag_id FROM dag", kept) == ["later"]
    assert f"exec -it statefulset/airflow-postgresql -- dropdb --host=127.0.0.1 --username=postgres {kept}" in printed
    restarts = [call[1] for call in cluster.calls("kubectl") if call[0] == "rollout"]
    assert restarts == ["restart", "status"]


def test_a_file_that_is_not_there_is_named(cluster):
    printed = cluster.make("restore", expect=2, FILE="secrets/backups/no.dump", CONFIRM="yes")
    assert "make restore: there is no file secrets/backups/no.dump: make restore FILE=secrets/backups/" in printed


@pytest.mark.parametrize("damage", ["cut", "no dump"])
def test_a_damaged_file_changes_nothing(cluster, database, damage):
    file = cluster.project / "secrets/backups/first.dump"
    cluster.make("backup", FILE=str(file))
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2] if damage == "cut" else b"hello\n" * 100_000)
    database("INSERT INTO dag VALUES ('later')")
    printed = cluster.make("restore", expect=2, FILE=str(file), CONFIRM="yes")
    assert "make restore: " in printed
    assert "nothing was changed" in printed
    assert database("SELECT count(*) FROM dag") == ["3"]
    assert databases(database) == ["postgres"]
    # And the next one works.
    file.write_bytes(whole)
    cluster.make("restore", FILE=str(file), CONFIRM="yes")
    assert database("SELECT count(*) FROM dag") == ["2"]


def test_a_backup_that_fails_leaves_the_one_before(cluster, database):
    file = cluster.project / "secrets/backups/first.dump"
    cluster.make("backup", FILE=str(file))
    before = file.read_bytes()
    (cluster.project / "secrets/postgres_password").write_text("wrong")
    printed = cluster.make("backup", expect=2, FILE=str(file))
    assert "password authentication failed" in printed
    assert file.read_bytes() == before


@pytest.mark.parametrize("size", ["0", "100", "1000000"])
@pytest.mark.parametrize("stderr", ["", "whole"])
def test_an_exec_that_ends_early_with_0_replaces_no_backup(cluster, database, size, stderr):
    """kubernetes#124571: kubectl exec cuts what it carries, and says that all went well."""
    file = cluster.project / "secrets/backups/first.dump"
    cluster.make("backup", FILE=str(file))
    before = file.read_bytes()
    database("INSERT INTO dag VALUES ('later')")
    cluster["exec-cuts"] = size
    cluster["exec-keeps-stderr"] = stderr
    if stderr and len(before) < int(size):
        cluster.make("backup", FILE=str(file))
        assert file.read_bytes() != before
    else:
        assert "arrived cut or changed" in cluster.make("backup", expect=2, FILE=str(file))
        assert file.read_bytes() == before
    assert [path.name for path in file.parent.iterdir()] == ["first.dump"]


def databases(database):
    return sorted(database("SELECT datname FROM pg_database WHERE NOT datistemplate", "template1"))


@pytest.mark.parametrize("how", ["exec-cuts", "exec-does-nothing"])
def test_a_restore_that_was_not_heard_of_is_not_called_done(cluster, database, how):
    file = cluster.project / "secrets/backups/first.dump"
    cluster.make("backup", FILE=str(file))
    database("INSERT INTO dag VALUES ('later')")
    cluster[how] = "0"
    printed = cluster.make("restore", expect=2, FILE=str(file), CONFIRM="yes")
    assert "Whether the database was replaced is unknown" in printed
    assert "Restored." not in printed
    (cluster.state / how).unlink()
    cluster.make("restore", FILE=str(file), CONFIRM="yes")
    assert database("SELECT count(*) FROM dag") == ["2"]


def test_both_names_change_or_none(cluster, database):
    """Where the second one cannot, the database that Airflow knows is still there."""
    swap = "from etl_tools.cluster import database as d; d.in_database(d.SWAP, 'before_x')"
    assert "restored" in run([sys.executable, "-c", swap], cluster.project, expect=1, **cluster.environment)
    assert databases(database) == ["postgres"]
    assert database("SELECT count(*) FROM dag") == ["2"]


def test_the_pod_cleans_up_alone(cluster, database):
    """Where the laptop is gone, nobody asks for it."""
    file = cluster.project / "secrets/backups/first.dump"
    cluster.make("backup", FILE=str(file))
    file.write_bytes(file.read_bytes()[:-1000])
    load = "from etl_tools.cluster import database as d; d.in_database(d.LOAD, source=d.Path(d.os.environ['FILE']))"
    where = cluster.environment | {"FILE": str(file)}
    assert "pg_restore" in run([sys.executable, "-c", load], cluster.project, expect=1, **where)
    assert databases(database) == ["postgres"]


def test_what_was_not_loaded_to_its_end_takes_no_place(cluster, database):
    """An exec that ended with 0 too early: what it has loaded until then is not the dump."""
    file = cluster.project / "secrets/backups/first.dump"
    cluster.make("backup", FILE=str(file))
    database("CREATE DATABASE restored", "template1")
    cluster["exec-does-nothing"] = "pg_restore"
    printed = cluster.make("restore", expect=2, FILE=str(file), CONFIRM="yes")
    assert "the dump was not loaded: nothing was changed" in printed
    assert databases(database) == ["postgres"]
    assert database("SELECT count(*) FROM dag") == ["2"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"hello\n", "is no dump that make backup wrote"),
        (b"PGDMP\x01", "no dump of an Airflow database"),
    ],
    ids=["empty", "garbage", "another"],
)
def test_what_is_no_dump_is_refused_before_anybody_is_asked(cluster, content, words):
    file = cluster.project / "some.dump"
    file.write_bytes(content)
    printed = cluster.make("restore", expect=2, FILE=str(file))
    (line,) = [line for line in printed.splitlines() if line.startswith("make restore: ")]
    assert words in line
    assert "nothing was changed" in line
    assert "takes the place" not in printed
    assert cluster.writes() == []


@pytest.mark.parametrize("statement", ["DROP TABLE alembic_version", "DELETE FROM alembic_version"])
def test_a_dump_of_something_else_changes_nothing(cluster, database, statement):
    file = cluster.project / "secrets/backups/first.dump"
    database(statement)
    cluster.make("backup", FILE=str(file))
    database("INSERT INTO dag VALUES ('later')")
    printed = cluster.make("restore", expect=2, FILE=str(file), CONFIRM="yes")
    assert "no dump of an Airflow database" in printed
    assert "nothing was changed" in printed
    assert database("SELECT count(*) FROM dag") == ["3"]
    assert databases(database) == ["postgres"]


# One step of a restore is one of these programs. The one with the number in `cut` takes the shell that runs the
# script with it, as a pod that goes away does: no trap, nothing that puts things right.
STEP = """\
#!/bin/bash
number=$(($(cat {folder}/number 2> /dev/null || echo 0) + 1))
echo $number > {folder}/number
{program} "$@"
status=$?
test "$number" != "$CUT" || kill -9 $PPID
exit $status
"""


@pytest.fixture
def steps(cluster, database, tmp_path):
    """Count the programs that a script in the pod runs; return the folder with their number."""
    folder = tmp_path / "steps"
    folder.mkdir()
    servers, _, others = cluster.environment["PATH"].partition(":")
    for name in ("psql", "createdb", "dropdb", "pg_restore"):
        script = folder / name
        script.write_text(STEP.format(folder=folder, program=f"{servers}/{name}"))
        script.chmod(0o755)
    cluster.environment["PATH"] = f"{folder}:{servers}:{others}"
    return folder


def test_a_restore_that_is_cut_after_any_step_loses_nothing_and_can_be_done_again(cluster, database, steps):
    file = cluster.project / "secrets/backups/first.dump"
    cluster.make("backup", FILE=str(file))
    database("INSERT INTO dag VALUES ('later')")
    cluster.make("restore", FILE=str(file), CONFIRM="yes", CUT="never")
    last = int((steps / "number").read_text())
    assert last > 8
    for cut in range(1, last + 1):
        for name in databases(database):
            if name != "postgres":
                database(f'DROP DATABASE "{name}"', "template1")
        database("DELETE FROM dag")
        database(f"INSERT INTO dag VALUES ('run {cut}')")
        (steps / "number").unlink()
        printed = cluster.make("restore", expect=None, FILE=str(file), CONFIRM="yes", CUT=str(cut))
        # Whatever it says, it is so.
        there = databases(database)
        replaced = any(name.startswith("before_") for name in there) and "postgres" in there
        if "Restored." in printed:
            assert replaced
        if "nothing was changed" in printed:
            assert there == ["postgres"]
            assert database("SELECT dag_id FROM dag") == ["run", str(cut)]
        assert "Restored." in printed or "make restore: " in printed
        cluster.make("restore", FILE=str(file), CONFIRM="yes", CUT="never")
        assert database("SELECT dag_id FROM dag ORDER BY 1") == ["extract", "transform"], cut
        there = databases(database)
        assert "restored" not in there
        kept = []
        for name in there:
            if name != "postgres":
                database(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true', "template1")
                kept += database("SELECT dag_id FROM dag", name)
        assert str(cut) in kept, "what was there is lost"


@pytest.mark.parametrize("state", ["closed", "between the names"])
def test_what_an_older_restore_left_half_done_is_put_right(cluster, database, state):
    """Cut after the first of its two renames, or before it, when nobody could connect."""
    file = cluster.project / "secrets/backups/first.dump"
    cluster.make("backup", FILE=str(file))
    database("INSERT INTO dag VALUES ('later')")
    database("ALTER DATABASE postgres ALLOW_CONNECTIONS false", "template1")
    if state != "closed":
        database("ALTER DATABASE postgres RENAME TO before_20260101_000000", "template1")
        database("CREATE DATABASE restored", "template1")
    # One that fails leaves the database open, too.
    cut = file.with_name("cut.dump")
    cut.write_bytes(file.read_bytes()[:-1000])
    assert "nothing was changed" in cluster.make("restore", expect=2, FILE=str(cut), CONFIRM="yes")
    assert database("SELECT count(*) FROM dag") == ["3"]

    cluster.make("restore", FILE=str(file), CONFIRM="yes")
    assert database("SELECT count(*) FROM dag") == ["2"]
    postgres, kept = sorted(databases(database), reverse=True)
    database(f"ALTER DATABASE {kept} ALLOW_CONNECTIONS true", "template1")
    assert (postgres, database("SELECT count(*) FROM dag", kept)) == ("postgres", ["3"])


def test_nobody_connects_while_the_databases_change_places(cluster, database, tmp_path):
    """Airflow tries again all the time: a connection between the two would keep the old database from its new name."""
    file = cluster.project / "secrets/backups/first.dump"
    cluster.make("backup", FILE=str(file))
    folder = tmp_path / "steps"
    folder.mkdir()
    servers, _, others = cluster.environment["PATH"].partition(":")
    # As the pods do: right before the names change, somebody connects and stays.
    script = folder / "psql"
    script.write_text(
        "#!/bin/bash\n"
        'if [[ "$*" == *"RENAME TO before_"* ]]; then\n'
        f"  {servers}/psql -d postgres -c 'SELECT pg_sleep(20)' > {folder}/connected 2>&1 &\n"
        "  sleep 1\nfi\n"
        f'exec {servers}/psql "$@"\n'
    )
    script.chmod(0o755)
    cluster.environment["PATH"] = f"{folder}:{servers}:{others}"
    cluster.make("restore", FILE=str(file), CONFIRM="yes")
    assert "not currently accepting connections" in (folder / "connected").read_text()


def test_git_takes_no_backup_and_restore_asks_which(cluster, database):
    cluster.make("backup")
    status = subprocess.run(["git", "status", "--porcelain"], cwd=cluster.project, capture_output=True, text=True)
    assert "dump" not in status.stdout
    assert "which one? make restore FILE=" in cluster.make("restore", expect=2)
    assert "no-such.dump" in cluster.make("restore", expect=2, FILE="no-such.dump", CONFIRM="yes")
