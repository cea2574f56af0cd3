"""Refuse what must never reach git: files under secrets/, private keys, tokens, this checkout's own secrets.

    airflow-etl scan FILE ...     files about to be committed (the pre-commit hook)
    airflow-etl scan --history    every file and message of every commit (make secret-scan, CI)

This checkout's own values are looked for in every encoding; the tokens of others by detect-secrets, offline.
Exit code 0: nothing found. 1: something found, one line each. 2: could not look at everything.
"""

import base64
import bisect
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Protocol, cast
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from etl_tools import project

# Any repository will do: only a project has secrets of its own to look for.
ROOT = project.search(Path.cwd()) or Path.cwd()
# What a replacement (git replace) or a graft hides is pushed all the same.
os.environ |= {"GIT_NO_REPLACE_OBJECTS": "1", "GIT_GRAFT_FILE": os.devnull, "LC_ALL": "C"}
FOLDER = "secrets"
ALLOWED = f"{FOLDER}/.gitignore"
WHOLE = "git fsck says what is damaged; a clone made with --filter gets the rest by git fetch --refetch "
WHOLE += "--no-filter, one made with --depth by git fetch --unshallow"
# Seconds: git may hang at a server, and somebody's file may be made to be slow.
LIMIT = float(os.environ.get("SCAN_SECONDS") or 900)

BREAK = rb"(?:\s|\\+[rn])+"
KEY_KINDS = ("", "OPENSSH ", "RSA ", "EC ", "DSA ", "ENCRYPTED ")
PATTERNS = {
    # The header alone is not enough, because code that reads keys names it; a key goes on with base64, behind
    # a few headers if it is old and encrypted. Each part starts with what the one before it cannot hold, so
    # that nothing is tried twice.
    "a private key": rb"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----" + BREAK + rb"(?:(?:[\w-]+: [^\n]*\n\s*){0,9}"
    rb"|(?:[\w-]+: [^\s\\]*" + BREAK + rb"){0,9})[A-Za-z0-9+/=]{32}",
    "an AWS access key": rb"\b(?:AKIA|ASIA)[A-Z2-7]{16}\b",
    "a GitHub token": rb"\b(?:gh[opsur]_[A-Za-z0-9]{36}|github_pat_\w{60})",
    "a GitLab token": rb"\bgl(?:pat|dt|rt)-[\w-]{20}",
    "a Google API key": rb"\bAIza[\w-]{35}\b",
    "a Slack token": rb"\bxox[abeoprs]-[\w-]{10}",
    "an Azure storage key": rb"AccountKey=[A-Za-z0-9+/]{80}",
}
# Of detect-secrets: what takes every commit's id, fingerprint or version for a secret; keys are found above.
LEFT_OUT = {"Base64 High Entropy String", "Hex High Entropy String", "Public IP (ipv4)", "Private Key"}
# These take any word behind "password": only what looks made up counts.
KEYWORD = "Secret Keyword"
BY_NAME = {KEYWORD, "Basic Auth Credentials"}
# Every keyword has one of these in it. That rule takes half of the time, so it reads no line without any.
IN_KEYWORDS = ("key", "pass", "pwd", "secret", "contrase")
WORDS = re.compile(r"[A-Za-z]*\d{0,2}(?:[-_./:][A-Za-z]*\d{0,2})*")
ALLOW = "pragma: allowlist secret"
BASELINE = ROOT / ".secrets.baseline"

SENSITIVE = re.compile(r"pass|secret|token|key|credential|pwd|private|signature|\bsig\b|dsn", re.IGNORECASE)
NO_VALUE = re.compile(r"(path|file|uri|url|host|name|type)$", re.IGNORECASE)
# Between the characters of an encoded value that is broken into lines or strings.
BETWEEN = b" \t\r\n\"'\\,"


# --- This checkout's own values


def looks_made_up(value: str) -> bool:
    """Tell whether a value is no word, name, path, address or placeholder."""
    mixed = re.search(r"[A-Za-z]", value) and re.search(r"\d", value)
    other = re.search(r"[{<$(\[\s]|://", value) or WORDS.fullmatch(value)
    return len(value) >= 8 and bool(mixed) and not other


def inside(name: str, value: object) -> Iterator[str]:
    """Yield what is secret in a value: passwords and tokens of a URI or of JSON; all of it, by its name."""
    if isinstance(value, dict | list):
        for key, part in value.items() if isinstance(value, dict) else ((name, part) for part in value):
            yield from inside(key, part)
    elif isinstance(value, str):
        with suppress(ValueError):
            if isinstance(parsed := json.loads(value), dict | list):
                yield from inside(name, parsed)
                return
        with suppress(ValueError):
            if (parts := urlsplit(value)).scheme and parts.netloc:
                words = [*parts.path.split("/"), parts.username or ""]
                yield from (unquote(word) for word in words if len(word) >= 20 and looks_made_up(word))
                if parts.password:
                    yield unquote(parts.password)
                for key, part in parse_qsl(parts.query):
                    yield from inside(key, part)
                return
        if SENSITIVE.search(name) and not NO_VALUE.search(name):
            lines = value.splitlines()
            yield from lines if len(lines) == 1 else (line for line in lines if len(line) >= 40)


def own_values() -> Iterator[tuple[str, str]]:
    """Yield each secret value under secrets/ and where it stands."""
    for path in sorted((ROOT / FOLDER).rglob("*")):
        where = path.relative_to(ROOT).as_posix()
        if not path.is_file() or path.suffix == ".pub" or where == ALLOWED:
            continue
        if path.name == "connections.env":
            for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
                name, _, value = line.partition("=")
                yield from ((found, f"{where} ({name})") for found in inside(name, value))
        elif path.stat().st_size < 10_000:
            words = path.read_bytes().decode(errors="replace").split()
            if "PRIVATE KEY-----" in words or "KEY-----" in words:
                # The first line is the same in every key of its kind.
                yield from ((word, where) for word in [word for word in words if len(word) >= 40][1:])
            elif len(words) == 1 and not path.name.endswith("_id"):
                yield words[0], where
            if words:
                yield from ((found, where) for found in inside("", " ".join(words)))


def in_base64(value: bytes) -> set[bytes]:
    """Return what base64 makes of a value wherever it begins in a longer text, in both alphabets."""
    found = set()
    for before, start in ((0, 0), (1, 2), (2, 3)):
        encoded = base64.b64encode(bytes(before) + value)[start : (before + len(value)) * 8 // 6]
        found |= {encoded, encoded.translate(bytes.maketrans(b"+/", b"-_"))}
    return found


def forms(value: str) -> set[bytes]:
    """Return a value as it may stand in a file: as it is, escaped, hexadecimal, in base64 once or twice."""
    quoted = quote(value, safe="")
    texts = {value, quoted, quote(value), re.sub("%..", lambda code: code[0].lower(), quoted)}
    texts |= {json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]}
    plain = {text.encode() for text in texts}
    raw = value.encode()
    sources = {*plain, base64.b64encode(raw), value.encode("utf-16-le")}
    coded = {encoded for source in sources for encoded in in_base64(source)}
    return {*plain, *coded, raw.hex().encode(), raw.hex().upper().encode()}


def own_needles() -> tuple[dict[bytes, str], list[str]]:
    """Return what to look for → what it is, and the places of values too short or common for that."""
    found = {
        encoded: "a private key in base64"
        for kind in KEY_KINDS
        for encoded in in_base64(f"-----BEGIN {kind}PRIVATE KEY"[:24].encode())
    }
    common = []
    for value, where in own_values():
        if len(value) < 8 or (len(value) < 12 and value.isalpha()):
            common.append(where)
        else:
            found |= dict.fromkeys(forms(value), f"the value of {where}")
    return found, sorted({*common})


def squeezed(content: bytes) -> bytes:
    """Return a text without what may stand between the characters of an encoded value."""
    return content.replace(rb"\n", b"").translate(None, BETWEEN)


def line_where_it_ends(needle: bytes, text: bytes) -> int:
    """Return the number, from 0, of the line where a value ends that may be broken into several."""
    lines = text.split(b"\n")
    reach = range(1, len(lines) + 1)
    return bisect.bisect_left(reach, True, key=lambda end: needle in squeezed(b"\n".join(lines[:end])))


# --- What is in a text


class Found(Protocol):
    """What detect-secrets finds: its PotentialSecret, as far as it is used here."""

    secret_value: str | None
    secret_hash: str


class Rule(Protocol):
    """A plugin of detect-secrets, as far as it is used here."""

    secret_type: str

    def analyze_line(self, filename: str, line: str, line_number: int) -> Collection[Found]: ...


def known_kinds() -> list[Rule]:
    """Return the rules of detect-secrets; ValueError where it is not installed."""
    try:
        from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class
    except ImportError:
        words = "detect-secrets is not installed: tokens of services were not looked for. Run: make install"
        raise ValueError(words) from None
    rules: Mapping[str, Callable[[], Rule]] = get_mapping_from_secret_type_to_class()
    return [rule() for kind, rule in rules.items() if kind not in LEFT_OUT]


def accepted() -> set[str]:
    """Return the hashes in .secrets.baseline: what detect-secrets finds and somebody looked at."""
    if not BASELINE.exists():
        return set()
    results = json.loads(BASELINE.read_text(encoding="utf-8"))["results"]
    return {one["hashed_secret"] for found in results.values() for one in found}


class Scanner:
    """Looks through texts, each line beside the next one once."""

    def __init__(self) -> None:
        self.own, self.common = own_needles()
        # Without these characters it is looked for in the squeezed text, otherwise in the text as it is.
        self.plain = {needle for needle in self.own if needle != squeezed(needle)}
        self.seen: set[int] = set()
        self.kinds: list[Rule] = []
        self.without_keyword: list[Rule] = []
        self.accepted: set[str] = set()
        self.problem = ""
        try:
            self.kinds = known_kinds()
            self.without_keyword = [rule for rule in self.kinds if rule.secret_type != KEYWORD]
            self.accepted = accepted()
        except (ValueError, KeyError, TypeError, AttributeError) as problem:
            wrong = f"{BASELINE.name} is not as detect-secrets writes it"
            self.problem = wrong if self.kinds else str(problem)

    def unseen(self, content: bytes) -> Iterator[tuple[int, bytes]]:
        """Yield the runs of lines, with the number of the first, that no earlier text had in this order."""
        lines = content.split(b"\n")
        pairs = [hash(pair) for pair in zip(lines, [*lines[1:], b""], strict=True)]
        new = [pair not in self.seen for pair in pairs]
        self.seen.update(pairs)
        start = None
        for number in range(len(lines) + 1):
            wanted = number < len(lines) and (new[number] or (number > 0 and new[number - 1]))
            if wanted and start is None:
                start = number
            elif not wanted and start is not None:
                yield start + 1, b"\n".join(lines[start:number])
                start = None

    def problems(self, content: bytes, path: str) -> Iterator[tuple[int, str]]:
        """Yield the line number and a description of every secret in the content of a file."""
        for first, text in self.unseen(content):
            # UTF-16, which Windows writes, is ASCII with a NUL behind each character.
            for form in {text, text.replace(b"\0", b"")}:
                for line, what in self.found(form, path):
                    yield first + line, what

    def found(self, text: bytes, path: str) -> Iterator[tuple[int, str]]:
        reported: set[int] = set()
        for what, pattern in PATTERNS.items():
            for match in re.finditer(pattern, text):
                reported.add(line := text.count(b"\n", 0, match.start()))
                yield line, what
        tight = squeezed(text)
        for needle, what in self.own.items():
            if needle in self.plain and needle in text:
                yield text.count(b"\n", 0, text.index(needle)), what
            elif needle in tight:
                yield line_where_it_ends(needle, text), what
        # As a settings file, where quotes are not needed.
        path = f"{path}.ini" if re.search(r"(^|[./])env(\.|$)", path) else path
        for number, words in enumerate(text.decode(errors="replace").splitlines()):
            if ALLOW not in words and number not in reported:
                yield from ((number, what) for what in self.known(words, path))

    def known(self, line: str, path: str) -> Iterator[str]:
        """Yield what detect-secrets finds in a line, a long one in pieces that overlap."""
        for start in range(0, max(len(line), 1), 1500):
            piece = line[start : start + 2000]
            folded = piece.casefold()
            has_keyword = any(part in folded for part in IN_KEYWORDS)
            for rule in self.kinds if has_keyword else self.without_keyword:
                for secret in rule.analyze_line(filename=path, line=piece, line_number=1):
                    value = (secret.secret_value or "").split()
                    made_up = value and looks_made_up(value[0].strip("\"'`,;"))
                    counts = made_up or rule.secret_type not in BY_NAME
                    if counts and secret.secret_hash not in self.accepted:
                        yield f"{rule.secret_type} (detect-secrets; {secret.secret_hash})"


# --- Files and commits


def is_secret_path(path: str) -> bool:
    """Tell whether a path, relative to the repository, is in the folder of secrets."""
    return path.lower().startswith(f"{FOLDER}/") and path != ALLOWED


def check_files(paths: list[str], scanner: Scanner) -> Iterator[str]:
    """Yield a line for every problem of the files named, as they are in the working tree."""
    for path in paths:
        file = Path(path)
        # However it is written: ./secrets/x, dags/../secrets/x, the whole path.
        whole = file.parent.resolve() / file.name
        if any(is_secret_path(os.path.relpath(whole, start)) for start in (ROOT, Path.cwd())):
            yield f"{path}: {FOLDER}/ never enters git. Undo with: git rm --cached -- {path}"
        elif file.is_dir() and not (file / ".git").exists():
            raise ValueError(f"{path} is a folder: name its files")
        elif not (file.is_dir() or file.is_symlink()):  # a submodule; a name
            scanner.seen.clear()
            for line, what in scanner.problems(file.read_bytes(), path):
                yield f"{path}:{line}: {what}. Take it out, and make a new one if it was ever pushed."


def on_one_line(words: str) -> str:
    """Return what git says on one line, without its advice."""
    lines = [line for line in words.splitlines() if not line.startswith("hint: ")]
    return " ".join(" ".join(lines).split())[:300]


def git(*arguments: str) -> str:
    """Return what a git command prints. Raises ValueError with its words, on one line, when it fails."""
    command = ["git", "-C", str(ROOT), "-c", "core.quotePath=false", *arguments]
    done = subprocess.run(command, check=False, capture_output=True, text=True, errors="replace")
    if done.returncode:
        raise ValueError(on_one_line(done.stderr) or f"git {arguments[0]} ended with {done.returncode}")
    return done.stdout


def objects() -> Iterator[tuple[str, str, str, bytes]]:
    """Yield kind, id, a path and the content of every file version, commit and tag that any ref leads to."""
    here = ["git", "-C", str(ROOT)]
    listing = [*here, "rev-list", "--objects", "--all"]
    reading = [*here, "cat-file", "--batch=%(objecttype) %(objectsize) %(objectname) %(rest)"]
    with (
        tempfile.TemporaryFile() as words,
        subprocess.Popen(listing, stdout=subprocess.PIPE, stderr=words) as listed,
        subprocess.Popen(reading, stdin=listed.stdout, stdout=subprocess.PIPE, stderr=words) as printed,
    ):
        output = cast("IO[bytes]", printed.stdout)
        try:
            for header in output:
                if header.endswith(b" missing\n"):
                    raise ValueError(f"the object {header.split()[0].decode()} is not in this clone: {WHOLE}")
                kind, size, name, path = header.decode(errors="replace").rstrip("\n").split(" ", 3)
                content = output.read(int(size) + 1)[:-1]
                if kind != "tree":
                    yield kind, name, path, content
        except BaseException:
            printed.kill()
            listed.kill()
            raise
        # Where git stopped early, what it had listed until then is not the history.
        if listed.wait() or printed.wait():
            words.seek(0)
            reason = on_one_line(words.read().decode(errors="replace"))
            raise ValueError(f"git stopped before the end ({reason}): {WHOLE}")


def check_history(scanner: Scanner) -> Iterator[str]:
    """Yield a line for every problem in any commit. Raises ValueError when not all commits are here."""
    if git("rev-parse", "--is-shallow-repository").strip() == "true":
        raise ValueError("this clone is shallow and lacks most commits: run git fetch --unshallow first")
    if not git("rev-list", "--all", "--max-count=1"):
        raise ValueError("there is no commit yet, so nothing was looked at: commit, then try again")
    everything = ("--all", "--full-history", "-m", "--no-renames", "--diff-filter=d")
    lines = ("--format=commit %h", "--name-only", "--relative")
    commit = ""
    try:
        names = git("log", *everything, *lines, "--", f":(icase){FOLDER}")
    except ValueError as problem:
        raise ValueError(f"git stopped before the end ({problem}): {WHOLE}") from None
    for line in names.splitlines():
        if line.startswith("commit "):
            commit = line.removeprefix("commit ")
        elif is_secret_path(line):
            yield f"{commit} {line}: {FOLDER}/ must not be in git"
    for kind, name, path, content in objects():
        for number, what in scanner.problems(content, path if kind == "blob" else ""):
            if kind == "blob":
                commits = git("log", "--all", "-m", "--format=%h", f"--find-object={name}").split()
                yield f"{(commits or [name[:9]])[-1]} {path}:{number}: {what}"
            else:
                yield f"{name[:9]} its message ({kind}): {what}"


def out_of_time(*_: object) -> None:
    raise ValueError(f"it was not read to its end within {LIMIT:.0f} s (SCAN_SECONDS=3600 gives it an hour)")


def main(files: list[str], history: bool) -> int:
    """Look through the files named, or through the history; return the exit code."""
    found: set[str] = set()
    signal.signal(signal.SIGALRM, out_of_time)
    try:
        signal.setitimer(signal.ITIMER_REAL, LIMIT)
        scanner = Scanner()
        for line in check_history(scanner) if history else check_files(files, scanner):
            if line not in found:
                print(line, file=sys.stderr)
                found.add(line)
        if scanner.problem:
            raise ValueError(scanner.problem)
    except (OSError, ValueError) as error:
        print(f"{'git cannot read the history' if history else 'cannot be read'}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Stopped before the end: nothing is known of the rest.", file=sys.stderr)
        return 130
    finally:
        signal.alarm(0)
    if history and scanner.common:
        print(f"Not looked for, because too short or too common a word: {', '.join(scanner.common)}.")
    if found and history:
        print("Whoever can read the repository has these: make new ones, then take them out of the history.")
    elif history:
        print("No commit has a secret in it that this knows.")
    return 1 if found else 0
