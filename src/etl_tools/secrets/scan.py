"""Refuse what must never reach git: files under secrets/, private keys, tokens, this checkout's own secrets.

    airflow-etl scan FILE ...     files about to be committed (the pre-commit hook)
    airflow-etl scan --history    every file of every commit (make secret-scan, CI)

Exit code 0: nothing found. 1: something found, one line each. 2: could not look.
"""

import base64
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from etl_tools import project

# Any repository will do: only a project has secrets of its own to look for.
ROOT = project.search(Path.cwd()) or Path.cwd()
# What a replacement (git replace) hides is pushed all the same.
os.environ["GIT_NO_REPLACE_OBJECTS"] = "1"
FOLDER = "secrets"
WHOLE = "git fsck says what is damaged; a fresh clone, without --filter and --depth, has everything"
ALLOWED = f"{FOLDER}/.gitignore"

KEY_KINDS = ("", "OPENSSH ", "RSA ", "EC ", "DSA ", "ENCRYPTED ")
# A Kubernetes Secret holds a key in base64. Cut at a multiple of 3 bytes, the start is the same in every key.
KEY_IN_BASE64 = [base64.b64encode(f"-----BEGIN {kind}PRIVATE"[:21].encode()) for kind in KEY_KINDS]
PATTERNS = {
    # The header alone is not enough, because code that reads keys names it; a key goes on with base64.
    "a private key": rb"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----(?:\s|\\r|\\n)+"
    rb"(?:[\w-]+: [^\n]*\s+)*[A-Za-z0-9+/=]{32}",
    "a private key in base64": rb"|".join(map(re.escape, KEY_IN_BASE64)),
    "an AWS access key": rb"\b(?:AKIA|ASIA)[A-Z2-7]{16}\b",
    "a GitHub token": rb"\b(?:gh[opsur]_[A-Za-z0-9]{36}|github_pat_\w{60})",
    "a GitLab token": rb"\bgl(?:pat|dt|rt)-[\w-]{20}",
    "a Google API key": rb"\bAIza[\w-]{35}\b",
    "a Slack token": rb"\bxox[abeoprs]-[\w-]{10}",
    "an Azure storage key": rb"AccountKey=[A-Za-z0-9+/]{80}",
}


def own_secrets() -> dict[bytes, str]:
    """Return this checkout's one-word secrets, as they are and in base64, each with the file it is in."""
    found = {}
    for path in sorted((ROOT / FOLDER).rglob("*")):
        if path.is_file() and path.suffix != ".pub" and path.stat().st_size < 10_000:
            value = path.read_bytes().strip()
            if len(value) >= 16 and len(value.split()) == 1:
                found[value] = found[base64.b64encode(value)] = f"{FOLDER}/{path.name}"
    return found


def problems(content: bytes, own: dict[bytes, str]) -> Iterator[tuple[int, str]]:
    """Yield the line number and a description of every secret in the content of a file."""
    patterns = [*PATTERNS.items(), *((f"the value of {own[value]}", re.escape(value)) for value in own)]
    for what, pattern in patterns:
        for match in re.finditer(pattern, content):
            yield content.count(b"\n", 0, match.start()) + 1, what


def is_secret_path(path: str) -> bool:
    """Tell whether a path, relative to the repository, is in the folder of secrets."""
    return path.lower().startswith(f"{FOLDER}/") and path != ALLOWED


def check_files(paths: list[str]) -> Iterator[str]:
    """Yield a line for every problem of the files named, as they are in the working tree."""
    own = own_secrets()
    for path in paths:
        if is_secret_path(path):
            yield f"{path}: {FOLDER}/ never enters git. Undo with: git rm --cached -- {path}"
        elif not (Path(path).is_dir() or Path(path).is_symlink()):  # a submodule; a name
            for line, what in problems(Path(path).read_bytes(), own):
                yield f"{path}:{line}: {what}. Take it out, and make a new one if it was ever pushed."


def git(*arguments: str) -> str:
    """Return what a git command prints. Raises CalledProcessError when it fails."""
    command = ["git", "-C", str(ROOT), "-c", "core.quotePath=false", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, errors="replace").stdout


def blobs() -> Iterator[tuple[str, str, bytes]]:
    """Yield the id, a path and the content of every file version that any commit holds."""
    here = ["git", "-C", str(ROOT)]
    form = "--batch=%(objecttype) %(objectsize) %(objectname) %(rest)"
    with (
        subprocess.Popen([*here, "rev-list", "--objects", "--all"], stdout=subprocess.PIPE) as listed,
        subprocess.Popen([*here, "cat-file", form], stdin=listed.stdout, stdout=subprocess.PIPE) as printed,
    ):
        for header in printed.stdout:
            if header.endswith(b" missing\n"):
                raise ValueError(f"the object {header.split()[0].decode()} is not in this clone: {WHOLE}.")
            kind, size, name, path = header.decode(errors="replace").rstrip("\n").split(" ", 3)
            content = printed.stdout.read(int(size) + 1)[:-1]
            if kind == "blob":
                yield name, path, content
    # Where git stopped early, what it had listed until then is not the history.
    if listed.returncode or printed.returncode:
        raise ValueError(f"git stopped before the end (its words are above): {WHOLE}.")


def check_history() -> Iterator[str]:
    """Yield a line for every problem in any commit. Raises ValueError when not all commits are here."""
    if git("rev-parse", "--is-shallow-repository").strip() == "true":
        raise ValueError("this clone is shallow and lacks most commits: run git fetch --unshallow first.")
    own = own_secrets()
    everything = ("--all", "--full-history", "-m", "--no-renames", "--diff-filter=d")
    lines = ("--format=commit %h", "--name-only", "--relative")
    commit = ""
    for line in git("log", *everything, *lines, "--", f":(icase){FOLDER}").splitlines():
        if line.startswith("commit "):
            commit = line.removeprefix("commit ")
        elif is_secret_path(line):
            yield f"{commit} {line}: {FOLDER}/ must not be in git"
    for name, path, content in blobs():
        for line, what in problems(content, own):
            commits = git("log", "--all", "-m", "--format=%h", f"--find-object={name}").split()
            yield f"{(commits or [name[:9]])[-1]} {path}:{line}: {what}"


def main(arguments: list[str]) -> int:
    """Run the check that the arguments ask for and return the exit code."""
    history = arguments == ["--history"]
    if not arguments or (not history and any(word.startswith("-") for word in arguments)):
        print("Nothing was looked at. Usage: airflow-etl scan FILE ... | airflow-etl scan --history", file=sys.stderr)
        return 2
    try:
        found = list(dict.fromkeys(check_history() if history else check_files(arguments)))
    except (OSError, ValueError, subprocess.CalledProcessError) as error:
        words = str(getattr(error, "stderr", error)).strip()
        print(f"{'git cannot read the history' if history else 'cannot be read'}: {words}", file=sys.stderr)
        return 2
    for line in found:
        print(line, file=sys.stderr)
    if found and history:
        print("Whoever can read the repository has these: make new ones, then take them out of the history.")
    elif history:
        print("No commit has a secret in it that this knows.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
