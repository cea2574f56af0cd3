"""What git and ssh say when they cannot reach a repository, and what to do about it."""

from tools import answers
from tools.secrets.git_server import address, where_to_register


def explained(words: str) -> tuple[str, str]:
    """Return what the output of a failed git command means and what mends it."""
    host, port, path = address(answers.GIT_REPO)
    ssh = answers.GIT_ACCESS == "ssh-deploy-key"
    register = f"register the key that make keys shows at {where_to_register(answers.GIT_REPO)}"
    where_repo = "correct git_repo in pyproject.toml and helm/values.yaml"
    network = f"try: nc -vz {host} {port}"
    if host == "github.com" and ssh:
        network += f", or reach GitHub by another port: ssh://git@ssh.github.com:443/{path}"
    meanings = (
        # The first that fits wins: ssh says several of these at once, the cause before its consequence.
        (
            "REMOTE HOST IDENTIFICATION HAS CHANGED",
            f"{host} shows another key than helm/known_hosts holds: "
            "its owner changed it, or somebody is in between",
            "make known-hosts, and compare the fingerprints",
        ),
        ("host key is known for", f"helm/known_hosts has no key of {host}, port {port}", "make known-hosts"),
        (
            "Host key verification failed",
            f"{host} cannot prove a key of helm/known_hosts",
            "make known-hosts",
        ),
        (
            "UNPROTECTED PRIVATE KEY FILE",
            "others may read the deploy key, so ssh refuses it",
            "chmod 600 secrets/deploy_key",
        ),
        ("banner exchange: Connection to", f"{host} does not speak SSH at port {port}", where_repo),
        (
            "error in libcrypto",
            "ssh cannot read the deploy key: its text is damaged",
            "python3 -m tools.secrets.deploy_key",
        ),
        (
            "invalid format",
            "ssh cannot read the deploy key: its text is damaged",
            "python3 -m tools.secrets.deploy_key",
        ),
        ("Identity file", "there is no deploy key", "make keys"),
        ("Permission denied (", f"{host} does not know this deploy key", register),
        ("Too many authentication failures", f"{host} does not know this deploy key", register),
        ("no mutual signature", f"{host} refuses this type of key", "make one of another type"),
        (
            "no matching host key type",
            f"{host} has only key types that ssh no longer trusts",
            "ask its owner for an ed25519 host key",
        ),
        ("Could not resolve host", f"there is no server {host}, or no network", where_repo),
        ("Connection refused", f"{host} takes no connections at port {port}", where_repo),
        ("timed out", f"{host} does not answer at port {port}: a firewall, or a VPN that is off", network),
        ("No route to host", f"{host} cannot be reached: a firewall, or a VPN that is off", network),
        ("Network is unreachable", "there is no network", network),
        ("Connection closed", f"{host} hangs up at port {port}: is that its SSH port?", where_repo),
        ("Connection reset", f"{host} hangs up at port {port}: a firewall, or not its SSH port", network),
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
        (
            "HTTP Basic: Access denied",
            "the server refuses the token",
            "GIT_TOKEN=… make secrets, with a new one",
        ),
        (
            "returned error: 403",
            "the token may not read this repository",
            "give it read access to the contents",
        ),
        (
            "certificate",
            f"{host}'s certificate is not one that this machine trusts",
            "install your company's certificate authority, here and in the pods",
        ),
        (
            "epository not found",
            f"{host} has no repository {path} that this login may see",
            f"{where_repo}, or {register}" if ssh else where_repo,
        ),
        (
            "could not be found",
            f"{host} has no repository {path} that this login may see",
            f"{where_repo}, or {register}" if ssh else where_repo,
        ),
        ("' not found", f"{host} has no repository {path} that this login may see", where_repo),
        ("does not appear to be a git repository", f"{host} has no repository {path}", where_repo),
        ("git is not on PATH", "git is not on PATH", "install git (Debian: apt-get install git)"),
        (
            "ssh: not found",
            "ssh is not on PATH",
            "install OpenSSH's client (Debian: apt-get install openssh-client)",
        ),
        (
            "cannot run ssh",
            "ssh is not on PATH",
            "install OpenSSH's client (Debian: apt-get install openssh-client)",
        ),
    )
    for sign, meaning, cure in meanings:
        if sign in words:
            return meaning, cure
    last = (words.strip().splitlines() or ["no reason given"])[-1]
    return f"git says: {last}", "git ls-remote shows the same; the lines before may say more"
