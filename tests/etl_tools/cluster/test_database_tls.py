"""A real PgBouncer with what `make secrets` makes of secrets/database_url, before a real PostgreSQL with TLS."""

import base64
import datetime
import os
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.conftest import secret_manifests
from tests.etl_tools.cluster.cluster import ANSWERS
from tests.etl_tools.cluster.helm_chart import missing
from tests.servers.ports import free_port, listening
from tests.servers.postgres_server import PostgresServer

pytestmark = pytest.mark.servers
PASSWORD = "p:w"
HOST = "localhost"
REFUSED = re.compile("certificate verify failed|not present in server certificate")


def certificate(name, issuer=None, issuer_key=None):
    """Return (certificate, key) for a host, or of an authority that signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
    )
    if issuer:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    return builder.sign(issuer_key or key, hashes.SHA256()), key


def pem(made):
    return made.public_bytes(serialization.Encoding.PEM)


def private_pem(key):
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())


@pytest.fixture(scope="module")
def authorities():
    """Return two authorities: the one that signs the server's certificate, and another one."""
    return certificate("ours"), certificate("another")


@pytest.fixture(scope="module")
def server(authorities):
    """A PostgreSQL that speaks TLS; `present` makes it show a certificate for a name."""
    with PostgresServer(PASSWORD) as postgres:

        def present(name, signed_by):
            made, key = certificate(name, *signed_by)
            for file, content in (("server.crt", pem(made)), ("server.key", private_pem(key))):
                path = postgres.folder / "data" / file
                path.write_bytes(content)
                path.chmod(0o600)
                os.chown(path, *postgres._user())
            assert postgres._psql(PASSWORD, "ALTER SYSTEM SET ssl = on") == 0
            assert postgres._psql(PASSWORD, "SELECT pg_reload_conf()") == 0

        postgres.present = present
        yield postgres


@pytest.fixture
def through_pgbouncer(bake_fresh, server):
    """Return a function: sslmode, authority → status and output of a query through PgBouncer."""
    program = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
    if not program:
        missing("No PgBouncer: install it (Debian: apt-get install pgbouncer)")
    uid, gid = server._user()

    def query(sslmode, authority):
        project = bake_fresh(**ANSWERS)
        line = f"postgresql://postgres:p%3Aw@{HOST}:{server.port}/postgres?sslmode={sslmode}"
        (project / "secrets" / "database_url").write_text(f"{line}\n")
        if authority:
            (project / "secrets" / "database_ca.crt").write_bytes(pem(authority))
        (made,) = [item for item in secret_manifests(project) if item["metadata"]["name"] == "quakes-pgbouncer"]
        with tempfile.TemporaryDirectory(dir="/tmp") as name:
            folder, port = Path(name), free_port()
            os.chown(folder, uid, gid)
            for key, value in made["data"].items():
                (folder / key).write_bytes(base64.b64decode(value))
            settings = (folder / "pgbouncer.ini").read_text()
            # The places are the pod's.
            settings = settings.replace("listen_addr = *", "listen_addr = 127.0.0.1")
            settings = settings.replace("listen_port = 6543", f"listen_port = {port}")
            settings = re.sub(r"/etc/pgbouncer(-ca)?/", f"{folder}/", settings)
            if version(program) < (1, 21):
                settings = settings.replace("max_prepared_statements = 200\n", "")
            (folder / "pgbouncer.ini").write_text(settings + f"unix_socket_dir =\nlogfile = {folder}/log\n")
            started = subprocess.Popen(
                [program, "-q", folder / "pgbouncer.ini"],
                user=uid,
                group=gid,
                extra_groups=[] if os.getuid() == 0 else None,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            try:
                while not listening(port):
                    assert started.poll() is None, (folder / "log").read_text()
                    time.sleep(0.05)
                return ask(server, port, folder / "log")
            finally:
                started.kill()
                started.wait()

    return query


def version(program):
    printed = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    return tuple(map(int, re.search(r"PgBouncer (\d+)\.(\d+)", printed).groups()))


def ask(server, port, log):
    """Return status and output of a query, or "refused" and why when PgBouncer logs that it refuses the server."""
    where = ["-h", "127.0.0.1", "-p", str(port), "-U", "postgres", "-w", "-At", "-d", "airflow-metadata"]
    command = [server.programs / "psql", *where, "-c", "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"]
    environment = os.environ | {"PGPASSWORD": PASSWORD}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as psql:
        # PgBouncer tries again and again; its client waits for two minutes.
        while psql.poll() is None:
            if refused := REFUSED.search(log.read_text()):
                psql.kill()
                return "refused", refused[0]
            time.sleep(0.05)
        return psql.wait(), psql.stdout.read()


def test_the_certificate_of_the_right_server_is_accepted(server, authorities, through_pgbouncer):
    ours, _ = authorities
    server.present(HOST, ours)
    assert through_pgbouncer("verify-full", ours[0]) == (0, "t\n")


@pytest.mark.parametrize(
    ("sslmode", "name", "signer", "through"),
    [
        # Signed by somebody else.
        ("verify-full", HOST, 1, False),
        ("verify-ca", HOST, 1, False),
        # Signed by the right one, for another host.
        ("verify-full", "other.example.com", 0, False),
        ("verify-ca", "other.example.com", 0, True),
    ],
)
def test_another_server_is_not(server, authorities, through_pgbouncer, sslmode, name, signer, through):
    server.present(name, authorities[signer])
    status, printed = through_pgbouncer(sslmode, authorities[0][0])
    assert status == (0 if through else "refused"), printed


def test_require_takes_any_server(server, authorities, through_pgbouncer):
    """What docs/deploy.md says of it."""
    server.present("other.example.com", authorities[1])
    assert through_pgbouncer("require", None) == (0, "t\n")
