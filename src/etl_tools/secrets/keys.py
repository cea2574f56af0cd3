"""Make every missing key and password in secrets/, and change none that is there: `make keys`.

Needs Python and, for the deploy key, OpenSSH's ssh-keygen; nothing has to be installed. Prints the public
key and where to register it, and nothing secret. Exits with 1 if something could not be made.
"""

import base64
import fcntl
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from etl_tools import answers, project
from etl_tools.programs import run
from etl_tools.secrets import github_app
from etl_tools.secrets.git_server import git, where_to_register
from etl_tools.secrets.manifests import files, secret_data

# JWTs are signed with HS512, which wants 64 bytes or more: 128 hexadecimal digits. Hexadecimal passwords
# need no escaping in a database's URL.
RANDOM_TEXTS: dict[str, Callable[[], str]] = {
    "fernet_key": lambda: base64.urlsafe_b64encode(os.urandom(32)).decode(),
    "api_secret_key": lambda: os.urandom(32).hex(),
    "jwt_secret": lambda: os.urandom(64).hex(),
    "postgres_password": lambda: os.urandom(16).hex(),
    "redis_password": lambda: os.urandom(16).hex(),
    "admin_password": lambda: os.urandom(16).hex(),
}


def write_private(path: Path, content: bytes) -> None:
    """Put a file of mode 0600 in place in one step: a reader sees all of it or nothing."""
    draft = path.with_name(f".{path.name}.tmp")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
    draft.replace(path)


@contextmanager
def locked_secrets() -> Iterator[None]:
    """Make secrets/ private, and wait until no other run works in it; this one does until the block ends."""
    umask = os.umask(0o077)
    answers.SECRETS.mkdir(parents=True, exist_ok=True)
    if answers.SECRETS.stat().st_mode & 0o7777 != 0o700:
        answers.SECRETS.chmod(0o700)
    lock = os.open(answers.SECRETS, os.O_RDONLY)
    with suppress(OSError):  # some network file systems have no locks
        fcntl.flock(lock, fcntl.LOCK_EX)
    for leftover in answers.SECRETS.glob(".*.tmp*"):  # of a run that was killed
        leftover.unlink()
    try:
        yield
    finally:
        os.close(lock)
        os.umask(umask)


def ssh_keygen(*arguments: str) -> str:
    """Run ssh-keygen, with no terminal to ask on, and return what it prints; RuntimeError if it fails."""
    done = run("ssh-keygen", *arguments)
    if done.returncode:
        hint = ". Install OpenSSH's client (Debian: apt-get install openssh-client), then: make keys"
        raise RuntimeError(f"ssh-keygen: {done.stderr.strip()}{hint if done.returncode == 127 else ''}")
    return done.stdout


def new_deploy_key(path: Path) -> None:
    """Write a key pair without a passphrase to ``path`` and ``path``.pub; neither is there yet."""
    draft = path.with_name(f".{path.name}.tmp")
    kind, _, bits = answers.DEPLOY_KEY_TYPE.partition("-")
    size = ("-b", bits) if bits else ()
    # The comment goes to the git host: it names the project, not who made the key on which machine.
    ssh_keygen("-q", "-t", kind, *size, "-N", "", "-C", f"{answers.SLUG}-deploy-key", "-f", str(draft))
    draft.replace(path)
    Path(f"{draft}.pub").replace(f"{path}.pub")


def make_deploy_key() -> list[str]:
    """Make the deploy key, or just its public half, if missing; return the names of what was made."""
    private, public = answers.SECRETS / "deploy_key", answers.SECRETS / "deploy_key.pub"
    if os.path.lexists(private) and os.path.lexists(public):
        return []
    if os.path.lexists(private):
        write_private(public, ssh_keygen("-y", "-P", "", "-f", str(private)).encode())
        return ["deploy_key.pub"]
    if os.path.lexists(public):
        raise RuntimeError(
            "secrets/deploy_key.pub is there without secrets/deploy_key. Put the private key back "
            "or, to make a new pair, run: rm secrets/deploy_key.pub && make keys"
        )
    new_deploy_key(private)
    return ["deploy_key", "deploy_key.pub"]


def make_missing() -> tuple[list[str], list[str]]:
    """Make the keys and passwords that are missing; return their names, and what could not be made."""
    wanted = [name for name in files() if name in RANDOM_TEXTS]
    made = [name for name in wanted if not os.path.lexists(answers.SECRETS / name)]
    for name in made:
        write_private(answers.SECRETS / name, RANDOM_TEXTS[name]().encode())
    try:
        if answers.SSH:
            made += make_deploy_key()
        secret_data()
    except (RuntimeError, ValueError) as problem:
        return made, [str(problem)]
    return made, []


def main() -> int:
    """Make what is missing and say what to do with it; return the exit code."""
    with locked_secrets():
        first = not any((answers.SECRETS / name).exists() for name in files())
        made, warnings = make_missing()
    folder = answers.in_secrets("")
    if made or not warnings:
        print(f"Made in {folder}/: {', '.join(made)}" if made else f"{folder}/: every key and password is there.")
    if first and git("rev-parse", "--verify", "HEAD").returncode == 0:  # a clone, maybe
        words = "\nThese are for a new installation. If Airflow runs already for this repository, it has "
        words += "others,\nand make deploy refuses to replace them: make keys-from-cluster OVERWRITE=yes"
        print(project.advice(words))
    public = answers.SECRETS / "deploy_key.pub"
    if answers.SSH and public.exists():
        print(f"\nThe deploy key, for reading only:\n\n{public.read_text().strip()}\n")
        print(f"Register it at {where_to_register(answers.GIT_REPO)}")
    if lacking := github_app.missing():
        print(f"\nYours to put into {folder}/: {', '.join(lacking)} (docs/keys.md).")
        print(f"GitHub shows them at {github_app.page(answers.GIT_REPO)}")
    for warning in warnings:
        print(f"Warning: {warning}", file=sys.stderr)
    return 1 if warnings else 0
