"""The keys of this checkout: who can read them, whether git would, and whether a pod could use them."""

import stat
from collections.abc import Iterator
from pathlib import Path

from etl_tools import answers
from etl_tools.cluster.doctor import Finding, broken, fine, unknown
from etl_tools.cluster.doctor.repository import cannot_prove
from etl_tools.programs import run
from etl_tools.secrets import deploy_key, known_hosts, scan
from etl_tools.secrets.git_server import KEY, git, git_output, known_hosts_name
from etl_tools.secrets.git_url import address, url_problem
from etl_tools.secrets.manifests import files, secret_data

PUBLIC = answers.SECRETS / "deploy_key.pub"
HERE = answers.in_secrets("")
NEW = "make keys-from-cluster; for an installation that is still to come: make keys"
HISTORY = "make new ones (make rotate NAME=…), then take these out of the history with git filter-repo"


def others_may_use(path: Path) -> bool:
    return bool(stat.S_IMODE(path.stat().st_mode) & 0o077)


def secrets() -> Iterator[Finding]:
    """Look at secrets/: are the keys there, usable, to be read by nobody else, and out of git's reach?"""
    wanted = [*files(), *(["deploy_key.pub"] if answers.SSH else [])]
    present = [path for path in answers.SECRETS.glob("*") if path.is_file() and path.name != ".gitignore"]
    missing = [name for name in wanted if not (answers.SECRETS / name).exists()]
    if missing == wanted:
        yield unknown("there are no keys in this checkout; only who deploys needs them", NEW)
    elif missing:
        yield broken(f"{HERE}/ lacks {', '.join(missing)}", NEW, blocks=False)
    else:
        try:
            secret_data()
        except ValueError as problem:
            yield broken(str(problem), "then make doctor")
    try:
        yield from secrets_in_git(present)
    except ValueError as problem:
        fix = "git init" if "not a git repository" in str(problem) else ""
        yield unknown(f"whether git has anything of {HERE}/: {problem}", fix)
    exposed = [path.name for path in (answers.SECRETS, *present) if present and others_may_use(path)]
    if exposed:
        what = f"others on this machine may read {', '.join(exposed)}, and ssh refuses such a key"
        yield broken(what, f"chmod 700 {HERE} && chmod 600 {HERE}/*", blocks=False)
    elif present:
        yield fine(f"{HERE}/ can be read by its owner only")


def secrets_in_git(present: list[Path]) -> Iterator[Finding]:
    names = [answers.in_secrets(path.name) for path in present] or ["secrets/deploy_key"]
    ignored = git_output("check-ignore", "--no-index", "--", *names, none=1).splitlines()
    exposed = ", ".join(name for name in names if name not in ignored)
    tracked = [name for name in git_output("ls-files", "secrets").splitlines() if name != scan.ALLOWED]
    log = git("log", "--all", "--format=%h", "--", "secrets", f":!{scan.ALLOWED}")
    since = log.stdout.split()[-1:]
    if exposed:
        yield broken(f"git does not ignore {exposed}", "git checkout -- .gitignore secrets/.gitignore")
    if tracked:
        fix = f"git rm --cached -- {' '.join(tracked)} && git commit, and make new ones (make rotate NAME=…)"
        yield broken(f"git tracks {', '.join(tracked)}", fix)
    if since:
        what = f"the history holds secrets since commit {since[0]}: whoever reads the repository has them"
        yield broken(what, HISTORY, blocks=False)
    if log.returncode == 124:
        yield unknown("the history is too long to look through here", "make secret-scan")
    elif log.returncode:
        yield unknown(f"the history cannot be looked through: {log.stderr.strip()}", "make secret-scan")
    elif not since and git_output("rev-parse", "--is-shallow-repository").strip() == "true":
        yield unknown("this clone has only a part of the history", "git fetch --unshallow && make secret-scan")
    elif not (exposed or tracked or since):
        yield fine("git ignores secrets/, tracks none of it and never did")


def private_key() -> Iterator[Finding]:
    """Look at the deploy key's text, its passphrase, its type and its public half."""
    if not answers.SSH or not KEY.exists():
        return
    name = answers.in_secrets("deploy_key")
    if found := deploy_key.damage(KEY.read_bytes()):
        yield broken(f"{name} {found[0]}", found[1])
        return
    if others_may_use(KEY):  # named above; ssh-keygen would refuse the file
        return
    shown = run("ssh-keygen", "-y", "-P", "", "-f", KEY)
    public, words = shown.stdout.split()[:2], shown.stderr.strip()
    if "passphrase" in words and shown.returncode:
        fix = f'ssh-keygen -p -N "" -f {name}, then OVERWRITE={answers.SLUG}-git-ssh make secrets'
        yield broken(f"{name} has a passphrase, which no pod can type", fix)
    elif not public:
        yield broken(f"{name} is not a complete key ({' '.join(words.split())})", deploy_key.NEW_KEY)
    elif PUBLIC.exists() and PUBLIC.read_text(encoding="utf-8", errors="replace").split()[:2] != public:
        fix = f"ssh-keygen -y -f {name} > {name}.pub, and register that one"
        yield broken(f"{name}.pub does not belong to {name}", fix, blocks=False)
    else:
        yield fine(f"{name}: well formed, no passphrase, belongs to deploy_key.pub")


def host_keys() -> Iterator[Finding]:
    """Look at helm/known_hosts: the git server's keys and no others, none of them revoked."""
    if not answers.SSH or url_problem(answers.GIT_REPO, answers.GIT_ACCESS):
        return
    host, name = address(answers.GIT_REPO)[0], known_hosts_name(answers.GIT_REPO)
    text = answers.KNOWN_HOSTS.read_text(encoding="utf-8") if answers.KNOWN_HOSTS.exists() else ""
    lines = known_hosts.key_lines(text)
    # ssh takes a line without the port, too.
    mine = [line for line in lines if {name, host} & set(line.split()[0].lower().split(","))]
    others = sorted({line.split()[0] for line in lines if line not in mine})
    problems = [found for line in mine if (found := known_hosts.problem(line, host))]
    instead = f" (it names {', '.join(others)})" if others else ""
    if not mine:
        problems.append(f"no key of {name}{instead}: pods refuse the server")
    elif others:
        problems.append(f"keys of other servers, too{instead}")
    checked = "the published fingerprints" if known_hosts.publishes(host) else "none of them revoked"
    good = [fine(f"helm/known_hosts: keys of {name}: {len(mine)}, {checked}")]
    wrong = [broken(f"helm/known_hosts has {what}", "make known-hosts") for what in problems]
    if not mine:  # what is refused for that is no finding of its own
        wrong[0] = wrong[0]._replace(cause=cannot_prove())
    yield from wrong or good
