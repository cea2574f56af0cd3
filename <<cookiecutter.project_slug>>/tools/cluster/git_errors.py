"""What git and ssh say when they cannot reach a repository, and what to do about it."""

import re

from tools import answers
from tools.secrets import github_app
from tools.secrets.git_server import address, where_to_register

# What they say (a regular expression), what it means, what to do. The first that fits wins: ssh says several
# of these at once, the cause before its consequence.
MEANINGS = (
    (
        "REMOTE HOST IDENTIFICATION HAS CHANGED",
        "{host} shows another key than helm/known_hosts holds: is it new, or is somebody in between?",
        "make known-hosts, and compare the fingerprints",
    ),
    ("host key is known for", "helm/known_hosts has no key of {host}, port {port}", "make known-hosts"),
    ("Host key verification failed", "{host} cannot prove a key of helm/known_hosts", "make known-hosts"),
    ("UNPROTECTED PRIVATE KEY", "others may read the deploy key, so ssh refuses it", "chmod 600 {key}"),
    ("banner exchange: Connection to", "{host} does not speak SSH at port {port}", "{where}"),
    (
        "error in libcrypto|invalid format",
        "ssh cannot read the deploy key: its text is damaged",
        "python3 -m tools.secrets.deploy_key",
    ),
    (
        "Identity file",
        "there is no deploy key",
        "make keys-from-cluster, or for a new installation make keys",
    ),
    (
        r"Permission denied \(|Too many authentication failures",
        "{host} does not know this deploy key",
        "{register}",
    ),
    ("no mutual signature", "{host} refuses this type of key", "make one of another type"),
    (
        "no matching host key type",
        "{host} has only key types that ssh no longer trusts",
        "ask its owner for an ed25519 host key",
    ),
    ("Could not resolve host", "there is no server {host}, or no network", "{where}"),
    ("Connection refused", "{host} takes no connections at port {port}", "{where}"),
    ("timed out", "{host} does not answer at port {port}: a firewall, or a VPN that is off", "{network}"),
    ("No route to host", "{host} cannot be reached: a firewall, or a VPN that is off", "{network}"),
    ("Network is unreachable", "there is no network", "{network}"),
    ("Connection closed", "{host} hangs up at port {port}: is that its SSH port?", "{where}"),
    ("Connection reset", "{host} hangs up at port {port}: a firewall, or not its SSH port", "{network}"),
    ("JSON web token|Integration not found", "GitHub knows no App of this ID with this key", "{app}"),
    (r"claim \('(exp|iat)'\)", "GitHub finds this clock wrong", "set it by a time server"),
    ("installation has been suspended", "the App's installation is suspended", "unsuspend it at GitHub"),
    ("returned status 404|create-an-installation", "the App has no installation of this ID", "{app}"),
    (
        "could not read Username",
        "the repository is private, and git has no token for it",
        "make it public, or read it with a token (git_access https-token)",
    ),
    (
        "Authentication failed",
        "the server refuses the token, or it may not read this repository",
        "make a token that may read it, then GIT_TOKEN=… make secrets",
    ),
    ("HTTP Basic: Access denied", "the server refuses the token", "GIT_TOKEN=… make secrets, with a new one"),
    ("returned error: 403", "the token may not read this repository", "give it read access to the contents"),
    (
        "certificate",
        "{host}'s certificate is not one that this machine trusts",
        "install your company's certificate authority, here and in the pods",
    ),
    (
        "epository not found|could not be found|' not found",
        "{host} has no repository {path} that this login may see",
        "{where_or_register}",
    ),
    ("does not appear to be a git repository", "{host} has no repository {path}", "{where}"),
    ("git is not on PATH", "git is not on PATH", "install git (Debian: apt-get install git)"),
    (
        "ssh: not found|cannot run ssh",
        "ssh is not on PATH",
        "install OpenSSH's client (Debian: apt-get install openssh-client)",
    ),
)


def explained(words: str) -> tuple[str, str]:
    """Return what the output of a failed git command means and what fixes it."""
    host, port, path = address(answers.GIT_REPO)
    ssh = answers.SSH
    where = "correct git_repo in pyproject.toml and helm/values.yaml"
    register = f"register the key that make keys shows at {where_to_register(answers.GIT_REPO)}"
    network = f"try: nc -vz {host} {port}"
    if host == "github.com" and ssh:
        network += f", or reach GitHub by another port: ssh://git@ssh.github.com:443/{path}"
    seen = {"ssh-deploy-key": f", or {register}", "github-app": ", or let the App's installation see it"}
    facts = {
        "host": host,
        "port": port,
        "path": path,
        "key": answers.in_secrets("deploy_key"),
        "where": where,
        "register": register,
        "where_or_register": where + seen.get(answers.GIT_ACCESS, ""),
        "app": f"compare {answers.in_secrets('github_app*')} with {github_app.page(answers.GIT_REPO)}, "
        f"then OVERWRITE={answers.SLUG}-github-app make secrets",
        "network": network,
    }
    for sign, meaning, fix in MEANINGS:
        if re.search(sign, words):
            return meaning.format(**facts), fix.format(**facts)
    lines = [line.strip() for line in re.split(r"\n|\\n", words) if line.strip(' "}')]
    last = lines[-1] if lines else "no reason given"
    return f"git says: {last}", "git ls-remote shows the same; the lines before may say more"
