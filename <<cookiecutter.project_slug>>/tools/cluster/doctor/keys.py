"""The keys of this checkout: who can read them, whether git would, and whether a pod could use them."""

import stat
from collections.abc import Iterator
from pathlib import Path

from tools import answers
from tools.cluster.doctor import Finding, broken, fine, unknown
from tools.programs import run
from tools.secrets import deploy_key, known_hosts, scan
from tools.secrets.git_server import KEY, address, git, known_hosts_name, url_problem
from tools.secrets.manifests import files, kubernetes_manifests

PUBLIC = answers.SECRETS / "deploy_key.pub"
HERE = answers.in_secrets("")
NEW = "make keys-from-cluster; for an installation that is still to come: make keys"


def others_may_use(path: Path) -> bool:
    return bool(stat.S_IMODE(path.stat().st_mode) & 0o077)


def secrets() -> Iterator[Finding]:
    """Look at secrets/: are the keys there, to be read by nobody else, and out of git's reach?"""
    wanted = [*files(), *(["deploy_key.pub"] if answers.SSH else []), "kubernetes.yaml"]
    present = [path for path in answers.SECRETS.glob("*") if path.is_file() and path.name != ".gitignore"]
    missing = [name for name in wanted if not (answers.SECRETS / name).exists()]
    if len(missing) == len(wanted):
        yield unknown("there are no keys in this checkout; only who deploys needs them", NEW)
    elif missing:
        fix = "make keys" if missing == ["kubernetes.yaml"] else NEW
        yield broken(f"{HERE}/ lacks {', '.join(missing)}", fix, blocks=False)
    if git("rev-parse", "--is-inside-work-tree").returncode == 0:
        yield from secrets_in_git(present)
    else:
        yield unknown("this folder is not a git repository", "git init")
    if not present:
        return
    if open_to_others := [path.name for path in [answers.SECRETS, *present] if others_may_use(path)]:
        what = f"others on this machine may read {', '.join(open_to_others)}, and ssh refuses such a key"
        yield broken(what, f"chmod 700 {HERE} && chmod 600 {HERE}/*", blocks=False)
    else:
        yield fine(f"{HERE}/ can be read by its owner only")
    if missing:
        return
    try:
        current = kubernetes_manifests() == answers.MANIFEST.read_text(encoding="utf-8")
    except (OSError, ValueError) as problem:
        yield broken(str(problem), "then make keys")
        return
    if current:
        yield fine(f"{HERE}/kubernetes.yaml holds the files beside it byte for byte")
    else:
        yield broken(f"{HERE}/kubernetes.yaml is not what the files beside it say", "make keys", blocks=False)


def secrets_in_git(present: list[Path]) -> Iterator[Finding]:
    listed = git("ls-files", "--", "secrets").stdout.splitlines()
    tracked = [name for name in listed if name != scan.ALLOWED]
    names = [answers.in_secrets(path.name) for path in present] or ["secrets/deploy_key"]
    exposed = sorted({*names} - {*git("check-ignore", "--no-index", "--", *names).stdout.splitlines()})
    if exposed:
        what = f"git does not ignore {', '.join(exposed)}"
        yield broken(what, "git checkout -- .gitignore secrets/.gitignore")
    if tracked:
        fix = f"git rm --cached -- {' '.join(tracked)} && git commit, and make new ones (make rotate NAME=…)"
        yield broken(f"git tracks {', '.join(tracked)}", fix)
    log = git("log", "--all", "--format=%h", "--", "secrets", ":!secrets/.gitignore")
    if commits := log.stdout.split():
        what = f"the history holds secrets since commit {commits[-1]}: whoever reads the repository has them"
        fix = "make new ones (make rotate NAME=…), then take these out of the history with git filter-repo"
        yield broken(what, fix, blocks=False)
    elif log.returncode == 124:
        yield unknown("the history is too long to look through here", "make secret-scan")
    if not (exposed or tracked or commits):
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
    done = run("ssh-keygen", "-y", "-P", "", "-f", KEY)
    public, words = " ".join(done.stdout.split()[:2]), done.stderr.strip()
    if not public and "passphrase" in words:
        fix = f'ssh-keygen -p -N "" -f {name}, then make keys'
        yield broken(f"{name} has a passphrase, which no pod can type", fix)
    elif not public:
        last = (words.splitlines() or ["ssh-keygen cannot read it"])[-1]
        yield broken(f"{name} is not a complete key ({last})", deploy_key.NEW_KEY)
    if not public:
        return
    if address(answers.GIT_REPO)[0] == "ssh.dev.azure.com" and not public.startswith("ssh-rsa"):
        fix = 'write deploy_key_type = "rsa-4096" in pyproject.toml, then make rotate-deploy-key'
        yield broken("Azure DevOps takes RSA keys only", fix)
    if PUBLIC.exists() and PUBLIC.read_text(encoding="utf-8", errors="replace").split()[:2] == public.split():
        yield fine(f"{name}: well formed, no passphrase, belongs to deploy_key.pub")
        return
    fix = f"ssh-keygen -y -f {name} > {name}.pub, and register that one"
    yield broken(f"{name}.pub does not belong to {name}", fix, blocks=False)


def host_keys() -> Iterator[Finding]:
    """Look at helm/known_hosts: the git server's keys and no others, none of them revoked."""
    if not answers.SSH or url_problem(answers.GIT_REPO, answers.GIT_ACCESS):
        return
    host, name = address(answers.GIT_REPO)[0], known_hosts_name(answers.GIT_REPO)
    text = answers.KNOWN_HOSTS.read_text(encoding="utf-8") if answers.KNOWN_HOSTS.exists() else ""
    lines = known_hosts.key_lines(text)
    mine = known_hosts.for_server(lines, answers.GIT_REPO)
    problems = [found for line in mine if (found := known_hosts.problem(line, host))]
    others = sorted({line.split()[0] for line in lines} - {line.split()[0] for line in mine})
    instead = f" (it names {', '.join(others)})" if others else ""
    if not mine:
        problems.append(f"no key of {name}{instead}: pods refuse the server")
    elif others:
        problems.append(f"keys of other servers, too{instead}")
    for found in problems:
        yield broken(f"helm/known_hosts has {found}", "make known-hosts")
    if not problems:
        checked = "the published fingerprints" if host in known_hosts.PUBLISHED else "none of them revoked"
        yield fine(f"helm/known_hosts: keys of {name}: {len(mine)}, {checked}")
