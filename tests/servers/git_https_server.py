"""A real git server over HTTPS on loopback: git's own http-backend behind a password, with a certificate of its own."""

import base64
import datetime
import http.server
import ipaddress
import os
import ssl
import subprocess
import threading

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.servers import github_app


class GitHttpsServer:
    """Start with `with`; `url` is the repository's address, `certificate` the file to trust."""

    def __init__(self, folder, token=None, app=None):
        """With `app`, the public half of a GitHub App's key, it gives tokens as GitHub Enterprise does."""
        self.folder, self.token, self.app = folder, token, app
        self.repository = folder / "acme" / "my-etl.git"
        self.certificate = folder / "certificate.pem"

    @property
    def url(self):
        return f"https://127.0.0.1:{self.server.server_port}/acme/my-etl.git"

    def __enter__(self):
        subprocess.run(["git", "init", "--quiet", "--bare", self.repository], check=True)
        key = write_certificate(self.certificate, self.folder / "key.pem")
        handler = type("Handler", (Backend,), {"folder": self.folder, "token": self.token, "app": self.app})
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, key)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *error):
        self.server.shutdown()
        self.server.server_close()


class Backend(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def allowed(self):
        login = self.headers.get("Authorization", "").removeprefix("Basic ")
        return not self.token or base64.b64decode(login).decode().partition(":")[2] == self.token

    def serve(self):
        asked = self.app and github_app.answer(self.app, self.path, self.headers.get("Authorization", ""))
        if asked:
            status, text = asked
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())
            return
        if not self.allowed():
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="git"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        path, _, query = self.path.partition("?")
        variables = {
            "GIT_PROJECT_ROOT": str(self.folder),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
        }
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        command = ["git", "-c", "safe.directory=*", "http-backend"]
        # What git says about a folder that is not there would stand amid the output of who asks, in this process.
        streams = {"input": body, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        done = subprocess.run(command, env=os.environ | variables, check=False, **streams)
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().splitlines())
        self.send_response(int(headers.pop("Status", "200").split()[0]))
        for name, value in (headers | {"Content-Length": str(len(content))}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = serve

    def log_message(self, *words):
        pass


def write_certificate(path, key_path):
    """Write a certificate for 127.0.0.1, signed by itself; return the path of its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return key_path
