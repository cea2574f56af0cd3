"""Git and ssh with the project's deploy key alone, as a pod uses it."""

import os
import shlex
import subprocess
from pathlib import Path

from tools import answers

# What would lead git elsewhere, or let it in with somebody's own key. Proxies and certificates stay.
NOT_FOR_PODS = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_SSH", "GIT_SSH_COMMAND", "GIT_ASKPASS")

# The shell reads the token from the environment: it is on no command line.
CREDENTIAL_HELPER = '!f() { echo "username=${GIT_USERNAME:-git}"; echo "password=$GIT_TOKEN"; }; f'


def ssh_command(key: Path, known_hosts: Path) -> str:
    """Return GIT_SSH_COMMAND: this key and these known hosts, nothing of the user's own ssh settings."""
    options = {
        "IdentitiesOnly": "yes",
        "IdentityAgent": "none",
        "BatchMode": "yes",
        "StrictHostKeyChecking": "yes",
        "UserKnownHostsFile": known_hosts,
        "GlobalKnownHostsFile": "/dev/null",
        "ConnectTimeout": "5",
    }
    words = ["ssh", "-F", "/dev/null", "-i", str(key)]
    words += [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    return shlex.join(words)


def environment(key: Path | None) -> dict[str, str]:
    """Return the environment for git: no prompts, English messages, and ``key`` for a server asked by SSH."""
    ours = {name: value for name, value in os.environ.items() if name not in NOT_FOR_PODS}
    ours |= {"GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "", "LC_ALL": "C"}
    if key:
        ours["GIT_SSH_COMMAND"] = ssh_command(key, answers.KNOWN_HOSTS)
    return ours


def git(
    *arguments: str, folder: Path = answers.ROOT, timeout: float = 8, variables: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run git. A missing git is exit status 127, a server that keeps silent is 124."""
    command = ["git", "-C", str(folder), *arguments]
    try:
        return subprocess.run(
            command,
            env=variables or environment(None),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=timeout,
        )
    except FileNotFoundError:
        return subprocess.CompletedProcess(command, 127, "", "git is not on PATH")
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 124, "", f"no answer within {timeout:.0f} s: timed out")


def ask_server(
    *arguments: str, key: Path | None, folder: Path = Path("/"), timeout: float = 7
) -> subprocess.CompletedProcess[str]:
    """Run git against the server with what a pod has: the deploy key, the token from GIT_TOKEN, or nothing.

    Neither this checkout's settings nor the user's apply: a rewritten URL or a header with a login would make
    the server answer here and not there. Certificates and proxies are taken over.
    """
    settings = ["-c", "credential.helper="]
    if answers.GIT_ACCESS == "https-token":
        settings += ["-c", f"credential.helper={CREDENTIAL_HELPER}"]
    if not key:
        listed = git("config", "--get-regexp", r"^http\..*(proxy|sslcainfo|sslcapath)$").stdout
        settings += [word for line in listed.splitlines() for word in ("-c", line.replace(" ", "=", 1))]
    variables = environment(key) | {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_COUNT": "0"}
    return git(*settings, *arguments, folder=folder, timeout=timeout, variables=variables)
