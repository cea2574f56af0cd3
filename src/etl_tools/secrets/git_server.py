"""The git server: its address, where it takes a deploy key, and git that asks it as a pod does."""

import os
import re
import shlex
from pathlib import Path
from subprocess import CompletedProcess

from etl_tools import answers
from etl_tools.programs import run
from etl_tools.secrets import github_app
from etl_tools.secrets.git_url import address

KEY = answers.SECRETS / "deploy_key"
# What would lead git elsewhere, or let it in with somebody's own key. Proxies and certificates stay.
NOT_FOR_PODS = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_SSH", "GIT_SSH_COMMAND", "GIT_ASKPASS")

# Nothing of the user's own ssh settings, no agent, no question, no server that is not known.
SSH_OPTIONS = (
    "IdentitiesOnly=yes",
    "IdentityAgent=none",
    "BatchMode=yes",
    "StrictHostKeyChecking=yes",
    "GlobalKnownHostsFile=/dev/null",
    "ConnectTimeout=5",
)
# The shell reads the token from the environment: it is on no command line.
CREDENTIAL_HELPER = '!f() { echo "username=${GIT_USERNAME:-git}"; echo "password=$GIT_TOKEN"; }; f'

REGISTER = {
    "github.com": "https://github.com/{path}/settings/keys/new (leave 'Allow write access' unticked)",
    "gitlab.com": "https://gitlab.com/{path}/-/settings/repository, 'Deploy keys' "
    "(leave 'Grant write permissions' unticked)",
    "bitbucket.org": "https://bitbucket.org/{path}/admin/access-keys/ (access keys only read)",
    "dev.azure.com": "https://dev.azure.com/{organisation}/_usersSettings/keys, signed in as a user "
    "who may only read this repository (Azure DevOps has no deploy keys)",
}
ELSEWHERE = (
    "{host}: the repository's settings, 'Deploy keys', read-only; on a server without such a page, "
    "a line in the git user's ~/.ssh/authorized_keys that starts with 'restrict'"
)


def known_hosts_name(repo: str) -> str:
    """Return what a known_hosts line for ``repo`` starts with: ``host``, or ``[host]:port``."""
    host, port, _ = address(repo)
    return host if port == 22 else f"[{host}]:{port}"


def where_to_register(repo: str) -> str:
    """Return the page that takes a deploy key for ``repo``, and what to choose there."""
    host, _, path = address(repo)
    site = host.removeprefix("alt").removeprefix("ssh.")  # ssh.github.com, altssh.gitlab.com: by port 443
    path = path.removesuffix(".git")
    organisation = path.removeprefix("v3/").partition("/")[0]
    return REGISTER.get(site, ELSEWHERE).format(host=host, path=path, organisation=organisation)


def git(*arguments: str, folder: Path = answers.ROOT, timeout: float = 8, **variables: str) -> CompletedProcess[str]:
    """Run git with no prompts and English messages, and these variables in its environment."""
    ours = {name: value for name, value in os.environ.items() if name not in NOT_FOR_PODS}
    ours |= {"GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "", "LC_ALL": "C"}
    return run("git", "-C", folder, *arguments, env=ours | variables, timeout=timeout)


def git_output(*arguments: str, folder: Path = answers.ROOT, none: int = 0) -> str:
    """What git prints; ValueError with its first complaint where it fails. none: the code for "there is none"."""
    ended = git(*arguments, folder=folder)
    if ended.returncode not in (0, none):
        error = re.search("(?m)^(fatal|error): .*", ended.stderr)
        raise ValueError(f"git {arguments[0]}: {error[0] if error else ended.stderr.strip() or 'failed'}")
    return ended.stdout


def ask_server(*arguments: str, key: Path = KEY, folder: Path = Path("/"), timeout: float = 7) -> CompletedProcess[str]:
    """Run git against the server with what a pod has: ``key``, a token (GIT_TOKEN, or the App's), or nothing.

    Neither this checkout's settings nor the user's apply: a rewritten URL or a header with a login would make
    the server answer here and not there. Certificates and proxies are taken over.
    """
    variables = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_COUNT": "0"}
    settings = ["credential.helper="]
    if answers.SSH:
        words = ["ssh", "-F", "/dev/null", "-i", str(key), "-o", f"UserKnownHostsFile={answers.KNOWN_HOSTS}"]
        variables["GIT_SSH_COMMAND"] = shlex.join([*words, *(f"-o{option}" for option in SSH_OPTIONS)])
    else:
        listed = git("config", "--get-regexp", r"^http\..*(proxy|sslcainfo|sslcapath)$").stdout
        settings += [line.replace(" ", "=", 1) for line in listed.splitlines()]
    if answers.GITHUB_APP:
        try:
            variables["GIT_TOKEN"] = github_app.token()
        except (OSError, ValueError) as problem:
            return CompletedProcess(arguments, 128, "", str(problem))
    if answers.GIT_ACCESS in ("https-token", "github-app"):
        settings.append(f"credential.helper={CREDENTIAL_HELPER}")
    chosen = [word for setting in settings for word in ("-c", setting)]
    return git(*chosen, *arguments, folder=folder, timeout=timeout, **variables)
