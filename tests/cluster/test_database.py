"""make backup and make restore: there and back on a real PostgreSQL, and nothing lost where it fails."""

import os
import stat
import subprocess

import pytest

from tests.cluster import helm_chart
from tests.cluster.cluster import ANSWERS, Cluster
from tests.servers.postgres_server import PostgresServer

pytestmark = pytest.mark.servers


@pytest.fixture
def cluster(bake_fresh, tmp_path):
    return Cluster(bake_fresh(**ANSWERS), tmp_path, helm_chart.tools() / "helm")


@pytest.fixture
def database(cluster):
    """A real PostgreSQL with the project's password, reached as from within its pod; returns a function: SQL → rows."""
    password = (cluster.project / "secrets/postgres_password").read_text()
    with PostgresServer(password) as server:
        cluster.environment |= {"PGPORT": str(server.port), "PATH": f"{server.programs}:{os.environ['PATH']}"}

        def query(statement, name="postgres", check=True):
            where = ["-h", "127.0.0.1", "-p", str(server.port), "-U", "postgres", "-w", "-d", name, "-Atc", statement]
            environment = os.environ | {"PGPASSWORD": password}
            command = [server.programs / "psql", *where]
            return subprocess.run(command, env=environment, capture_output=True, text=True, check=check).stdout.split()

        query("CREATE TABLE dag (dag_id text PRIMARY KEY)")
        query("CREATE TABLE alembic_version (version_num text PRIMARY KEY)")
        query("INSERT INTO alembic_version VALUES ('29ce7909c52b')")
        query("INSERT INTO dag VALUES ('extract'), ('transform')")
        yield query


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
        cluster.make("restore", FILE=str(file), CONFIRM="yes")
    assert database("SELECT dag_id FROM dag ORDER BY 1") == ["extract", "transform"]
    (kept,) = database("SELECT datname FROM pg_database WHERE datname LIKE 'before_%'", "template1")
    database(f"ALTER DATABASE {kept} ALLOW_CONNECTIONS true", "template1")
    assert database("SELECT dag_id FROM dag", kept) == ["later"]
    restarts = [call[1] for call in cluster.calls("kubectl") if call[0] == "rollout"]
    assert restarts == ["restart", "status"]


@pytest.mark.parametrize("damage", ["cut", "no dump"])
def test_a_damaged_file_changes_nothing(cluster, database, damage):
    file = cluster.project / "secrets/backups/first.dump"
    cluster.make("backup", FILE=str(file))
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2] if damage == "cut" else b"hello\n" * 100_000)
    database("INSERT INTO dag VALUES ('later')")
    printed = cluster.make("restore", expect=2, FILE=str(file), CONFIRM="yes")
    assert "make restore: " in printed
    assert database("SELECT count(*) FROM dag") == ["3"]
    assert database("SELECT datname FROM pg_database WHERE datname LIKE 'before_%'", "template1") == []
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


@pytest.mark.parametrize("size", ["0", "100"])
def test_an_exec_that_ends_early_with_0_replaces_no_backup(cluster, database, size):
    """kubernetes#124571: kubectl exec cuts what it carries, and says that all went well."""
    file = cluster.project / "secrets/backups/first.dump"
    cluster.make("backup", FILE=str(file))
    before = file.read_bytes()
    cluster["exec-cuts"] = size
    assert "arrived cut or changed" in cluster.make("backup", expect=2, FILE=str(file))
    assert file.read_bytes() == before
    assert [path.name for path in file.parent.iterdir()] == ["first.dump"]
    printed = cluster.make("restore", expect=2, FILE=str(file), CONFIRM="yes")
    assert "whether the database was replaced is unknown" in printed
    assert "Restored." not in printed


@pytest.mark.parametrize("statement", ["DROP TABLE alembic_version", "DELETE FROM alembic_version"])
def test_a_dump_of_something_else_changes_nothing(cluster, database, statement):
    file = cluster.project / "secrets/backups/first.dump"
    database(statement)
    cluster.make("backup", FILE=str(file))
    database("INSERT INTO dag VALUES ('later')")
    printed = cluster.make("restore", expect=2, FILE=str(file), CONFIRM="yes")
    assert "no dump of an Airflow database" in printed
    assert database("SELECT count(*) FROM dag") == ["3"]
    assert sorted(database("SELECT datname FROM pg_database WHERE NOT datistemplate", "template1")) == ["postgres"]


def test_git_takes_no_backup_and_restore_asks_which(cluster, database):
    cluster.make("backup")
    status = subprocess.run(["git", "status", "--porcelain"], cwd=cluster.project, capture_output=True, text=True)
    assert "dump" not in status.stdout
    assert "which one? make restore FILE=" in cluster.make("restore", expect=2)
    assert "no-such.dump" in cluster.make("restore", expect=2, FILE="no-such.dump", CONFIRM="yes")
