"""A stand-in for the one call of GitHub's API that gives an App its token; it checks the App's signature.

Its words are GitHub's own, as public reports quote them.
"""

import json
import re

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

FILES = ("github_app.pem", "github_app_id", "github_installation_id")
APP, INSTALLATION = "123456", "78901234"
TOKEN = "ghs_" + "b" * 36
PATH = r"/app/installations/(\d+)/access_tokens$"
DOCUMENTATION = "https://docs.github.com/rest/reference/apps#create-an-installation-access-token-for-an-app"


def new_key():
    """Return a private key as GitHub gives it, PEM in PKCS#1, and its public half."""
    key = rsa.generate_private_key(65537, 2048)
    form = serialization.PrivateFormat.TraditionalOpenSSL
    pem = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    return pem, key.public_key()


def answer(public, path, authorization):
    """Return the status and the body for a POST, or None where the path is another one."""
    found = re.search(PATH, path)
    if not found:
        return None
    try:
        claims = jwt.decode(authorization.removeprefix("Bearer "), public, ["RS256"])
    except jwt.InvalidTokenError:
        return 401, json.dumps({"message": "A JSON web token could not be decoded"})
    if claims["iss"] != APP:
        return 404, json.dumps({"message": "Integration not found"})
    if claims["exp"] - claims["iat"] > 600:
        return 401, json.dumps({"message": "'Expiration time' claim ('exp') is too far in the future"})
    if found[1] != INSTALLATION:
        return 404, json.dumps({"message": "Not Found", "documentation_url": DOCUMENTATION})
    return 201, json.dumps({"token": TOKEN, "expires_at": "2099-01-01T00:00:00Z"})


def put_files(project, pem, app=APP, installation=INSTALLATION):
    """Write what a person would: the file as downloaded, the numbers by an editor that ends the line."""
    for name, content in zip(FILES, (pem, app, installation), strict=True):
        path = project / "secrets" / name
        path.write_bytes(content if isinstance(content, bytes) else f"{content}\n".encode())
        path.chmod(0o600)
