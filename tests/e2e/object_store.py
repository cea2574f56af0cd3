"""A real S3 server on loopback: SeaweedFS, with one access key."""

import json
import secrets

from tests.e2e.installation import IMAGE
from tests.servers.ports import free_port, listening

MAKE_BUCKET = "import boto3, sys; boto3.client('s3').create_bucket(Bucket=sys.argv[1])"


class ObjectStore:
    """`weed server -s3` on free ports; `environment` is what a client needs to know."""

    def __init__(self, folder, servers):
        self.folder, self.servers, self.port = folder, servers, free_port()
        self.environment = {
            "AWS_ACCESS_KEY_ID": "etl",
            "AWS_SECRET_ACCESS_KEY": secrets.token_hex(16),
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
        }

    def start(self, bucket):
        """Start the server and make a bucket."""
        self.folder.mkdir()
        keys = {
            "accessKey": self.environment["AWS_ACCESS_KEY_ID"],
            "secretKey": self.environment["AWS_SECRET_ACCESS_KEY"],
        }
        identities = {"identities": [{"name": "etl", "credentials": [keys], "actions": ["Admin"]}]}
        (self.folder / "s3.json").write_text(json.dumps(identities))
        ports = [f"-{part}.port={free_port()}" for part in ("master", "volume", "filer")]
        ports += [f"-{part}.port.grpc={free_port()}" for part in ("master", "volume", "filer", "s3")]
        address = ["-ip=127.0.0.1", "-ip.bind=127.0.0.1"]
        s3 = ["-s3", f"-s3.port={self.port}", f"-s3.config={self.folder}/s3.json", "-s3.port.iceberg=0"]
        command = [IMAGE / "bin" / "weed", "server", f"-dir={self.folder}", *address, *ports, *s3]
        self.servers.start("s3", [*command, "-master.volumeSizeLimitMB=64", "-volume.max=20"], cwd=self.folder)
        self.servers.wait_until("S3 answers", lambda: listening(self.port))
        python = [IMAGE / "bin" / "python", "-c", MAKE_BUCKET, bucket]
        self.servers.run("s3-bucket", python, env=self.environment)
        return self
