"""Fill helm/known_hosts, and its copy in helm/values.yaml, with the git server's keys: `make known-hosts`.

Asks the server with ssh-keyscan, shows the fingerprints, and writes only after a yes.
"""

import base64
import binascii
import hashlib
import re
import sys
import textwrap

from tools import answers
from tools.programs import run
from tools.secrets.git_server import address, known_hosts_name

VALUES = answers.ROOT / "helm" / "values.yaml"
HEADER = (
    "# Keys of the git server, as its owner published them. "
    "A pod talks to no server that cannot prove one of these.\n"
)

# The copy in values.yaml: a text block, and the lines, if any, that are indented deeper.
BLOCK = re.compile(r"^(?P<head>(?P<indent> *)knownHosts: \|\n)(?:(?P=indent) +\S.*\n)*", re.MULTILINE)

# SHA256 fingerprints as these hosts publish them.
PUBLISHED = {
    "github.com": {
        "+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU",
        "p2QAMXNIC1TJYWeIOttrVc98/R1BUFWu3/LiyKgUfQM",
        "uNiVztksCsDhcc0u9e8BujQXVUpKZIDTMczCvj3tD2s",
    },
    "gitlab.com": {
        "eUXGGm1YGsMAS7vkcx6JOJdOGHPem5gQp4taiCfCLB8",
        "HbW3g8zUjNSksFbqTiUWPWg2Bq1x8xdGUrliXFzSnUw",
        "ROQFvPThGrW4RuWLoL9tq9I9zJ42fK4XywyRtbOz/EQ",
    },
    "bitbucket.org": {
        "ybgmFkzwOSotHTHLJgHO0QN8L0xErw6vd0VhFA9m3SM",
        "FC73VB6C4OQLSCrjEayhMp9UMxS97caD/Yyi2bhW/J0",
        "46OSHA1Rmj8E8ERTC6xkNcmGOw9oFxYr0WF6zWW8l1E",
    },
    "ssh.dev.azure.com": {"ohD8VZEXGWo6Ez8GSEJQ9WpafgLFsOfLOtGGQCQo6Og"},
}
# GitHub's RSA key until March 2023; its private half was public for a while.
REVOKED = {"nThbg6kXUpJWGl7E1IGOCspRomTxdCARLviKw6E5SY8"}


def key_lines(text: str) -> list[str]:
    """Return the lines of a known_hosts file that hold a key."""
    return [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def fingerprint(line: str) -> str:
    """Return the SHA256 fingerprint of a known_hosts line's key, as ssh shows it; ValueError without one."""
    try:
        key = base64.b64decode(line.split()[2], validate=True)
    except (IndexError, binascii.Error):
        raise ValueError(f"not a key: {line[:60]}") from None
    return base64.b64encode(hashlib.sha256(key).digest()).decode().rstrip("=")


def for_server(lines: list[str], repo: str) -> list[str]:
    """Return the lines that name the server of ``repo``; ssh takes one without the port, too."""
    names = {known_hosts_name(repo), address(repo)[0]}
    return [line for line in lines if names & set(line.split()[0].lower().split(","))]


def problem(line: str, host: str) -> str | None:
    """Return why a key must not be trusted as ``host``'s, or None."""
    try:
        found = fingerprint(line)
    except ValueError as error:
        return str(error)
    kind = line.split()[1]
    if found in REVOKED:
        return f"the {kind} key SHA256:{found} is revoked: others may hold its private half"
    if host in PUBLISHED and found not in PUBLISHED[host]:
        return f"the {kind} key SHA256:{found} is not one that {host} publishes"
    return None


def with_known_hosts(values: str, known_hosts: str) -> str:
    """Return values.yaml with these known hosts in its block, everything else as it was."""

    def block(found: re.Match[str]) -> str:
        return found["head"] + textwrap.indent(known_hosts, found["indent"] + "  ")

    return BLOCK.sub(block, values)


def scan(host: str, port: int) -> list[str]:
    """Return the server's keys as known_hosts lines, sorted. Raises RuntimeError if it shows none."""
    done = run("ssh-keyscan", "-T", "10", "-p", port, host)
    if done.returncode == 127:
        raise RuntimeError(
            f"{done.stderr}. Install OpenSSH's client (Debian: apt-get install openssh-client)"
        )
    lines = sorted(key_lines(done.stdout))
    if not lines:
        raise RuntimeError(f"{host} shows no SSH key at port {port}. Is the address in git_repo right?")
    return lines


def main() -> int:
    host, port, _ = address(answers.GIT_REPO)
    if not answers.SSH:
        print("Nothing to do: this project reads git over HTTPS, where certificates do this work.")
        return 0
    try:
        lines = scan(host, port)
        if problems := [found for line in lines if (found := problem(line, host))]:
            raise RuntimeError("; ".join(problems) + ". Nothing was written: is this the real server?")
    except RuntimeError as error:
        print(f"make known-hosts: {error}", file=sys.stderr)
        return 1

    print(f"{host}, port {port}, shows these keys:")
    for line in lines:
        published = "  (as published)" if host in PUBLISHED else ""
        print(f"  {line.split()[1]:20} SHA256:{fingerprint(line)}{published}")
    if host not in PUBLISHED:
        print("Compare them with what the server's owner publishes, not with what another connection shows.")
    print("Write them to helm/known_hosts and helm/values.yaml? [y/N] ", end="", flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        print("Nothing was written.")
        return 1

    text = HEADER + "".join(f"{line}\n" for line in lines)
    answers.KNOWN_HOSTS.write_text(text, encoding="utf-8")
    VALUES.write_text(with_known_hosts(VALUES.read_text(encoding="utf-8"), text), encoding="utf-8")
    print("Written. Commit both files, then run: make deploy")
    return 0


if __name__ == "__main__":
    sys.exit(main())
