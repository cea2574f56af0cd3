"""Fill helm/known_hosts, and its copy in helm/values.yaml, with the git server's keys: `make known-hosts`.

Asks the server with ssh-keyscan, shows the fingerprints, and writes only after a yes.
"""

import base64
import hashlib
import os
import re
import sys
import textwrap

from etl_tools import answers
from etl_tools.programs import run
from etl_tools.secrets.git_url import address

VALUES = answers.ROOT / "helm" / "values.yaml"
HEADER = (
    "# Keys of the git server, as its owner published them. A pod talks to no server that cannot prove one of these.\n"
)

# The copy in values.yaml: a text block, and the lines, if any, that are indented deeper.
BLOCK = re.compile(r"^(?P<head>(?P<indent> *)knownHosts: \|\n)(?:(?P=indent) +\S.*\n)*", re.MULTILINE)

# SHA256 fingerprint → the host that publishes it.
PUBLISHED = {
    "+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU": "github.com",
    "p2QAMXNIC1TJYWeIOttrVc98/R1BUFWu3/LiyKgUfQM": "github.com",
    "uNiVztksCsDhcc0u9e8BujQXVUpKZIDTMczCvj3tD2s": "github.com",
    "eUXGGm1YGsMAS7vkcx6JOJdOGHPem5gQp4taiCfCLB8": "gitlab.com",
    "HbW3g8zUjNSksFbqTiUWPWg2Bq1x8xdGUrliXFzSnUw": "gitlab.com",
    "ROQFvPThGrW4RuWLoL9tq9I9zJ42fK4XywyRtbOz/EQ": "gitlab.com",
    "ybgmFkzwOSotHTHLJgHO0QN8L0xErw6vd0VhFA9m3SM": "bitbucket.org",
    "FC73VB6C4OQLSCrjEayhMp9UMxS97caD/Yyi2bhW/J0": "bitbucket.org",
    "46OSHA1Rmj8E8ERTC6xkNcmGOw9oFxYr0WF6zWW8l1E": "bitbucket.org",
    "ohD8VZEXGWo6Ez8GSEJQ9WpafgLFsOfLOtGGQCQo6Og": "ssh.dev.azure.com",
}
# GitHub's RSA key until March 2023; its private half was public for a while.
REVOKED = {"nThbg6kXUpJWGl7E1IGOCspRomTxdCARLviKw6E5SY8"}


def key_lines(text: str) -> list[str]:
    """Return the lines of a known_hosts file that hold a key."""
    return [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def fingerprint(line: str) -> str:
    """Return the SHA256 fingerprint of a known_hosts line's key, as ssh shows it."""
    key = base64.b64decode(line.split()[2], validate=True)
    return base64.b64encode(hashlib.sha256(key).digest()).decode().rstrip("=")


def publishes(host: str) -> bool:
    return host in PUBLISHED.values()


def problem(line: str, host: str) -> str | None:
    """Return why a key must not be trusted as ``host``'s, or None."""
    try:
        kind, found = line.split()[1], fingerprint(line)
    except (IndexError, ValueError):
        return f"not a key: {line[:60]}"
    if found in REVOKED:
        return f"the {kind} key SHA256:{found} is revoked: others may hold its private half"
    if publishes(host) and PUBLISHED.get(found) != host:
        return f"the {kind} key SHA256:{found} is not one that {host} publishes"
    return None


def with_known_hosts(values: str, known_hosts: str) -> str:
    """Return values.yaml with these known hosts in its block, everything else as it was."""
    return BLOCK.sub(lambda found: found["head"] + textwrap.indent(known_hosts, found["indent"] + "  "), values)


def ask(host: str, port: int) -> list[str]:
    """Return the server's keys as known_hosts lines, sorted; ends the program if none is to be trusted."""
    done = run("ssh-keyscan", "-T", "10", "-p", port, host)
    lines = sorted(key_lines(done.stdout))
    wrong = [found for line in lines if (found := problem(line, host))]
    if done.returncode == 127:
        wrong = [f"{done.stderr}: install OpenSSH's client (Debian: apt-get install openssh-client)"]
    elif not lines:
        sys.exit(f"make known-hosts: {host} shows no SSH key at port {port}. Is it up, and are you on its network?")
    if wrong:
        sys.exit(f"make known-hosts: {'; '.join(wrong)}. Nothing was written: is {host} the real server?")
    return lines


def main() -> int:
    host, port, _ = address(answers.GIT_REPO)
    lines = ask(host, port)
    known = publishes(host)
    print(f"{host}, port {port}, shows these keys:")
    for line in lines:
        print(f"  {line.split()[1]:20} SHA256:{fingerprint(line)}{'  (as published)' if known else ''}")
    if not known:
        print("Compare them with what the server's owner publishes, not with what another connection shows.")
    answer = os.environ.get("CONFIRM", "")
    try:
        if not answer:
            print("Write them to helm/known_hosts and helm/values.yaml? [y/N] ", end="", flush=True)
            answer = sys.stdin.readline().strip().lower()
    except KeyboardInterrupt:
        print("\nNothing was written.")
        return 130
    if answer not in ("y", "yes"):
        print("Nothing was written. To go on without being asked, where they were compared: CONFIRM=yes")
        return 1
    text = HEADER + "".join(f"{line}\n" for line in lines)
    answers.KNOWN_HOSTS.write_text(text, encoding="utf-8")
    VALUES.write_text(with_known_hosts(VALUES.read_text(encoding="utf-8"), text), encoding="utf-8")
    print("Written. Commit both files, then run: make deploy")
    return 0
