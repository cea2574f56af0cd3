"""Refuse what must never reach git: files under secrets/, private keys, tokens, this checkout's own secrets.

    python tools/secrets/scan.py FILE ...     files about to be committed (the pre-commit hook)
    python tools/secrets/scan.py --history    every file of every commit (make secret-scan, CI)

Exit code 0: nothing found. 1: something found, one line each. 2: could not look.
"""

import base64
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDER = "secrets"
ALLOWED = f"{FOLDER}/.gitignore"

KEY_KINDS = ("", "OPENSSH ", "RSA ", "EC ", "DSA ", "ENCRYPTED ")
# A Kubernetes Secret holds a key in base64. Cut at a multiple of 3 bytes, the start is the same in every key.
KEY_IN_BASE64 = [base64.b64encode(f"-----BEGIN {kind}PRIVATE"[:21].encode()) for kind in KEY_KINDS]
PATTERNS = {
    # The header alone is not enough, because code that reads keys names it; a key goes on with base64.
    "a private key": re.compile(
        rb"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----(?:\s|\\r|\\n)+(?:[\w-]+: [^\n]*\s+)*[A-Za-z0-9+/=]{32}"
    ),
    "a private key in base64": re.compile(rb"|".join(re.escape(start) for start in KEY_IN_BASE64)),
    "an AWS access key": re.compile(rb"\b(?:AKIA|ASIA)[A-Z2-7]{16}\b"),
    "a GitHub token": re.compile(rb"\b(?:gh[opsur]_[A-Za-z0-9]{36}|github_pat_\w{60})"),
    "a GitLab token": re.compile(rb"\bgl(?:pat|dt|rt)-[\w-]{20}"),
    "a Google API key": re.compile(rb"\bAIza[\w-]{35}\b"),
    "a Slack token": re.compile(rb"\bxox[abeoprs]-[\w-]{10}"),
    "an Azure storage key": re.compile(rb"AccountKey=[A-Za-z0-9+/]{80}"),
}


def own_secrets() -> dict[bytes, str]:
    """Return this checkout's one-word secrets, as they are and in base64, each with the file it is in."""
    found = {}
    for path in sorted((ROOT / FOLDER).rglob("*")):
        if not path.is_file() or path.suffix == ".pub" or path.stat().st_size > 10_000:
            continue
        value = path.read_bytes().strip()
        if len(value) >= 16 and len(value.split()) == 1:
            found[value] = found[base64.b64encode(value)] = f"{FOLDER}/{path.name}"
    return found


def problems(content: bytes, own: dict[bytes, str]) -> Iterator[tuple[int, str]]:
    """Yield the line number and a description of every secret in the content of a file."""
    for what, pattern in PATTERNS.items():
        for match in pattern.finditer(content):
            yield content.count(b"\n", 0, match.start()) + 1, what
    for value, source in own.items():
        if (start := content.find(value)) >= 0:
            yield content.count(b"\n", 0, start) + 1, f"the value of {source}"


def is_secret_path(path: str) -> bool:
    """Tell whether a path, relative to the repository, is in the folder of secrets."""
    return path.lower().startswith(f"{FOLDER}/") and path != ALLOWED


def check_files(paths: list[str]) -> list[str]:
    """Return a line for every problem of the files named, as they are in the working tree."""
    own = own_secrets()
    found = []
    for path in paths:
        if is_secret_path(path):
            found.append(f"{path}: {FOLDER}/ never enters git. Undo with: git rm --cached -- {path}")
        elif Path(path).is_file():
            found += [
                f"{path}:{line}: {what}. Take it out, and make a new one if it was ever pushed."
                for line, what in problems(Path(path).read_bytes(), own)
            ]
    return found


def git(*arguments: str) -> str:
    """Return what a git command prints. Raises CalledProcessError when it fails."""
    command = ["git", "-C", str(ROOT), "-c", "core.quotePath=false", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, errors="replace").stdout


def blobs() -> Iterator[tuple[str, str, bytes]]:
    """Yield the id, a path and the content of every file version that any commit holds."""
    names = dict(
        line.split(" ", 1) for line in git("rev-list", "--objects", "--all").splitlines() if " " in line
    )
    command = ["git", "-C", str(ROOT), "cat-file", "--batch"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        for name, path in names.items():
            process.stdin.write(name.encode() + b"\n")
            process.stdin.flush()
            kind, size = process.stdout.readline().split()[1:]
            content = process.stdout.read(int(size) + 1)[:-1]
            if kind == b"blob":
                yield name, path, content


def check_history() -> list[str]:
    """Return a line for every problem in any commit. Raises ValueError when not all commits are here."""
    if git("rev-parse", "--is-shallow-repository").strip() == "true":
        raise ValueError("this clone is shallow and lacks most commits: run git fetch --unshallow first.")
    own = own_secrets()
    everything = ("--all", "--full-history", "-m", "--no-renames", "--diff-filter=d")
    lines = ("--format=commit %h", "--name-only", "--relative")
    found = []
    commit = ""
    for line in git("log", *everything, *lines, "--", f":(icase){FOLDER}").splitlines():
        if line.startswith("commit "):
            commit = line.removeprefix("commit ")
        elif is_secret_path(line):
            found.append(f"{commit} {line}: {FOLDER}/ must not be in git")
    for name, path, content in blobs():
        for line, what in problems(content, own):
            commit = git("log", "--all", "-m", "--format=%h", f"--find-object={name}").split()
            found.append(f"{commit[-1] if commit else name[:9]} {path}:{line}: {what}")
    return found


def main(arguments: list[str]) -> int:
    """Run the check that the arguments ask for and return the exit code."""
    if arguments != ["--history"]:
        found = check_files(arguments)
    else:
        try:
            found = check_history()
        except FileNotFoundError:
            print("git is not installed: there is no history to look at.", file=sys.stderr)
            return 2
        except subprocess.CalledProcessError as error:
            print(f"git cannot read the history: {error.stderr.strip()}", file=sys.stderr)
            return 2
        except ValueError as error:
            print(error, file=sys.stderr)
            return 2
    for line in dict.fromkeys(found):
        print(line, file=sys.stderr)
    if found and arguments == ["--history"]:
        print("Whoever can read the repository has these: make new ones, then take them out of the history.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
