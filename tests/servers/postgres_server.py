"""A real PostgreSQL on loopback, with a password for its user postgres and no other way in."""

import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.servers.ports import free_port


class PostgresServer:
    """Start with `with`; `port` is where it listens, `programs` the folder of psql and its kin."""

    def __init__(self, password):
        self.password = password
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
        on_path = shutil.which("initdb")
        if not found and not on_path:
            pytest.fail("No PostgreSQL: install its server (Debian: apt-get install postgresql)")
        self.programs = found[-1].parent if found else Path(on_path).parent

    def __enter__(self):
        # Its own user has to get there, which pytest's folders forbid.
        self.folder = Path(tempfile.mkdtemp(dir="/tmp"))
        (self.folder / "password").write_text(self.password)
        for path in (self.folder, self.folder / "password"):
            os.chown(path, *self._user())
        self._run("initdb", "-D", "data", "-U", "postgres", "-A", "scram-sha-256", "--pwfile=password", "-N")
        for _ in range(10):
            self.port = free_port()
            options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off"
            if self._run("pg_ctl", "-D", "data", "-w", "-l", "log", "-o", options, "start", check=False) == 0:
                return self
        pytest.fail((self.folder / "log").read_text())

    def __exit__(self, *error):
        self._run("pg_ctl", "-D", "data", "-m", "immediate", "-w", "stop")
        shutil.rmtree(self.folder)

    def alter(self, password):
        assert self._psql(self.password, f"ALTER USER postgres PASSWORD '{password}'") == 0
        self.password = password

    def lets_in(self, password):
        entered = self._psql(password, "SELECT 1") == 0
        if entered:
            self.password = password
        return entered

    def _psql(self, password, statement):
        where = ["-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres", "-w", "-c", statement]
        environment = os.environ | {"PGPASSWORD": password}
        return subprocess.run(
            [self.programs / "psql", *where], env=environment, capture_output=True, check=False
        ).returncode

    def _user(self):
        """PostgreSQL refuses to run as root."""
        user = pwd.getpwnam("postgres") if os.getuid() == 0 else pwd.getpwuid(os.getuid())
        return user.pw_uid, user.pw_gid

    def _run(self, program, *arguments, check=True):
        uid, gid = self._user()
        done = subprocess.run(
            [self.programs / program, *arguments],
            cwd=self.folder,
            user=uid,
            group=gid,
            extra_groups=[] if os.getuid() == 0 else None,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=check,
        )
        return done.returncode
