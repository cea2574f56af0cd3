"""The keys of this checkout: who can read them, whether git would, and whether a pod could use them."""

import stat
from collections.abc import Iterator
from pathlib import Path

from tools import answers
from tools.cluster.doctor import Finding, broken, fine, unknown
from tools.secrets import deploy_key, known_hosts, scan
from tools.secrets.git_remote import git
from tools.secrets.git_server import address, known_hosts_name, url_problem
from tools.secrets.keys import text_secrets
from tools.secrets.manifests import kubernetes_manifests

SSH = answers.GIT_ACCESS == "ssh-deploy-key"
KEY = answers.SECRETS / "deploy_key"


def others_may_use(path: Path) -> bool:
    return bool(stat.S_IMODE(path.stat().st_mode) & 0o077)


def secrets() -> Iterator[Finding]:
    wanted = [*text_secrets(), *(["deploy_key", "deploy_key.pub"] if SSH else []), "kubernetes.yaml"]
    present = [path for path in answers.SECRETS.glob("*") if path.name != ".gitignore"]
    missing = [name for name in wanted if not (answers.SECRETS / name).exists()]
    if not present:
        what = "there are no keys in this checkout; only who deploys needs them"
        yield unknown(what, "copy secrets/ from who deploys; for a new installation: make keys")
    elif missing:
        yield broken(f"secrets/ lacks {', '.join(missing)}", "make keys", blocks=False)
    if git("rev-parse", "--is-inside-work-tree").returncode == 0:
        yield from secrets_in_git(present)
    else:
        yield unknown("this folder is no git repository", "git init")
    if not present:
        return
    if open_to_others := [path.name for path in [answers.SECRETS, *present] if others_may_use(path)]:
        what = f"others on this machine may read {', '.join(open_to_others)}, and ssh refuses such a key"
        yield broken(what, "chmod 700 secrets && chmod 600 secrets/*", blocks=False)
    else:
        yield fine("secrets/ can be read by its owner only")
    if not missing:
        yield manifests_are_current()


def secrets_in_git(present: list[Path]) -> Iterator[Finding]:
    listed = git("ls-files", "--", "secrets").stdout.splitlines()
    tracked = [name for name in listed if name != scan.ALLOWED]
    names = [f"secrets/{path.name}" for path in present] or ["secrets/deploy_key"]
    ignored = git("check-ignore", "--no-index", "--", *names).stdout.splitlines()
    exposed = sorted(set(names) - set(ignored))
    if exposed:
        what = f"git does not ignore {', '.join(exposed)}"
        yield broken(what, "git checkout -- .gitignore secrets/.gitignore")
    if tracked:
        cure = f"git rm --cached -- {' '.join(tracked)} && git commit, and make new ones (make rotate NAME=…)"
        yield broken(f"git tracks {', '.join(tracked)}", cure)
    log = git("log", "--all", "--format=%h", "--", "secrets", ":!secrets/.gitignore")
    commits = log.stdout.split()
    if commits:
        yield broken(
            f"the history holds secrets since commit {commits[-1]}: whoever reads the repository has them",
            "make new ones (make rotate NAME=…), then take these out of the history with git filter-repo",
            blocks=False,
        )
    elif log.returncode == 124:
        yield unknown("the history is too long to look through here", "make secret-scan")
    if not (exposed or tracked or commits):
        yield fine("git ignores secrets/, tracks none of it and never did")


def manifests_are_current() -> Finding:
    try:
        current = kubernetes_manifests() == answers.MANIFEST.read_text(encoding="utf-8")
    except (OSError, ValueError) as problem:
        return broken(str(problem), "make keys", blocks=False)
    if current:
        return fine("secrets/kubernetes.yaml holds the files beside it byte for byte")
    cure = "make keys, then make secrets"
    return broken("secrets/kubernetes.yaml is not what the files beside it say", cure, blocks=False)


def private_key() -> Iterator[Finding]:
    if not SSH or not KEY.exists():
        return
    if found := deploy_key.damage(KEY.read_bytes()):
        yield broken(f"secrets/deploy_key {found[0]}", found[1])
        return
    if others_may_use(KEY):  # named above; ssh-keygen would refuse the file
        return
    public, words = deploy_key.parse(KEY)
    if not public and "passphrase" in words:
        cure = 'ssh-keygen -p -N "" -f secrets/deploy_key, then make keys'
        yield broken("secrets/deploy_key has a passphrase, which no pod can type", cure)
        return
    if not public:
        last = (words.splitlines() or ["ssh-keygen cannot read it"])[-1]
        yield broken(f"secrets/deploy_key is no whole key ({last})", deploy_key.NEW_KEY)
        return
    if address(answers.GIT_REPO)[0] == "ssh.dev.azure.com" and not public.startswith("ssh-rsa"):
        cure = 'write deploy_key_type = "rsa-4096" in pyproject.toml, then make rotate-deploy-key'
        yield broken("Azure DevOps takes RSA keys only", cure)
    half = answers.SECRETS / "deploy_key.pub"
    if not half.exists() or half.read_text(encoding="utf-8", errors="replace").split()[:2] != public.split():
        cure = "ssh-keygen -y -f secrets/deploy_key > secrets/deploy_key.pub, and register that one"
        yield broken("secrets/deploy_key.pub does not belong to secrets/deploy_key", cure, blocks=False)
        return
    yield fine("secrets/deploy_key: well formed, no passphrase, belongs to deploy_key.pub")


def host_keys() -> Iterator[Finding]:
    if not SSH or url_problem(answers.GIT_REPO, answers.GIT_ACCESS):
        return
    host = address(answers.GIT_REPO)[0]
    text = answers.KNOWN_HOSTS.read_text(encoding="utf-8") if answers.KNOWN_HOSTS.exists() else ""
    lines = known_hosts.key_lines(text)
    mine = known_hosts.for_server(lines, answers.GIT_REPO)
    problems = [found for line in mine if (found := known_hosts.problem(line, host))]
    for found in problems:
        yield broken(f"helm/known_hosts: {found}", "make known-hosts")
    name = known_hosts_name(answers.GIT_REPO)
    if not mine:
        others = sorted({line.split()[0] for line in lines})
        instead = f" (it names {', '.join(others)})" if others else ""
        what = f"helm/known_hosts has no key of {name}{instead}: pods refuse the server"
        yield broken(what, "make known-hosts")
    elif not problems:
        published = host in known_hosts.PUBLISHED
        checked = "the published fingerprints" if published else "none of them revoked"
        yield fine(f"helm/known_hosts: keys of {name}: {len(mine)}, {checked}")
