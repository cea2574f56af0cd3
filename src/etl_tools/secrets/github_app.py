"""The GitHub App that reads the repository: its three files in secrets/, and the token that it gets."""

import functools
import json
import os
import re
import time

from etl_tools import answers
from etl_tools.secrets.git_url import address

FILES = ("github_app.pem", "github_app_id", "github_installation_id")
KEY = re.compile(rb"\s*-----BEGIN (RSA )?PRIVATE KEY-----\s.*-----END (RSA )?PRIVATE KEY-----\s*", re.DOTALL)


def content(name: str) -> bytes:
    """Return what a file holds, a number without its line end; ValueError if GitHub shows no such thing."""
    found = (answers.SECRETS / name).read_bytes()
    if name == "github_app.pem":
        wanted, right = "a private key as GitHub gives it (PEM)", bool(KEY.fullmatch(found))
    else:
        found = found.strip()
        wanted, right = "a number", found.isdigit()
    if not right:
        raise ValueError(f"{answers.in_secrets(name)} is not {wanted}: docs/keys.md says where it is")
    return found


def missing() -> list[str]:
    """Return which of the files are not here; none where no App reads the repository."""
    return [name for name in FILES if answers.GITHUB_APP and not (answers.SECRETS / name).exists()]


def page(repo: str) -> str:
    """Return where GitHub lists the Apps of the organisation that owns ``repo``."""
    host, _, path = address(repo)
    return f"https://{host}/organizations/{path.partition('/')[0]}/settings/apps"


def connection() -> bytes:
    """Return the Airflow connection of a GitDagBundle, as JSON."""
    extra = {name: content(name).decode() for name in FILES[1:]}
    # The provider warns of ssh's default where there is a key, though it does not use ssh here.
    extra |= {"private_key": content("github_app.pem").decode(), "strict_host_key_checking": "yes"}
    return json.dumps({"conn_type": "git", "host": answers.GIT_REPO, "extra": extra}).encode()


def api(repo: str) -> str:
    """Return the address of the REST API of the host of ``repo``: GitHub's, or an Enterprise Server's."""
    host, port, _ = address(repo)
    cloud = host == "github.com" or host.endswith(".ghe.com")
    return f"https://api.{host}" if cloud else f"https://{host}:{port}/api/v3"


@functools.cache
def token() -> str:
    """Return a token for git, valid for an hour, as git-sync asks for it; OSError with what GitHub says."""
    import ssl
    import urllib.error
    import urllib.request

    import jwt  # comes with Airflow

    now = int(time.time())
    claims = {"iss": content("github_app_id").decode(), "iat": now, "exp": now + 540}
    login = jwt.encode(claims, content("github_app.pem"), "RS256")
    installation = content("github_installation_id").decode()
    request = urllib.request.Request(
        f"{api(answers.GIT_REPO)}/app/installations/{installation}/access_tokens",
        method="POST",
        headers={"Authorization": f"Bearer {login}", "Accept": "application/vnd.github+json"},
    )
    trusted = ssl.create_default_context(cafile=os.environ.get("GIT_SSL_CAINFO"))
    try:
        with urllib.request.urlopen(request, timeout=7, context=trusted) as answer:
            return str(json.load(answer)["token"])
    except urllib.error.HTTPError as refused:
        raise OSError(f"endpoint returned status {refused.code}: {refused.read().decode()}") from None
