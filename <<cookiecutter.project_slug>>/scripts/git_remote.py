"""Git and ssh with the project's deploy key alone, as a pod uses it."""

import os
import shlex
import subprocess
from pathlib import Path

import project

# What would lead git elsewhere, or let it in with somebody's own key. Proxies and certificates stay.
NOT_FOR_PODS = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_SSH", "GIT_SSH_COMMAND", "GIT_ASKPASS")


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


def environment(key: Path | None, known_hosts: Path = project.KNOWN_HOSTS) -> dict[str, str]:
    """Return the environment for git: no prompts, English messages, and ``key`` for a server asked by SSH."""
    ours = {name: value for name, value in os.environ.items() if name not in NOT_FOR_PODS}
    ours |= {"GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "", "LC_ALL": "C"}
    if key:
        ours["GIT_SSH_COMMAND"] = ssh_command(key, known_hosts)
    return ours


def git(
    *arguments: str, key: Path | None = None, folder: Path = project.ROOT, timeout: float = 8
) -> subprocess.CompletedProcess[str]:
    """Run git. A missing git is exit status 127, a server that keeps silent is 124."""
    command = ["git", "-C", str(folder), *arguments]
    try:
        return subprocess.run(
            command,
            env=environment(key),
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
