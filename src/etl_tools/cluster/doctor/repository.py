"""The repository as a pod gets it: its server, the branch, the folder of DAGs, and what is not pushed yet."""

import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

from etl_tools import answers
from etl_tools.cluster.doctor import Finding, broken, fine, unknown
from etl_tools.secrets import deploy_key, github_app
from etl_tools.secrets.git_server import KEY, ask_server, git, git_output, where_to_register
from etl_tools.secrets.git_url import address, url_problem

# What may be another thing in the cluster than here.
NETWORK = (
    "Could not resolve host",
    "timed out|No route to host|is unreachable",
    "Connection (refused|closed|reset)|banner exchange: Connection to",
    "certificate",
)


def repository() -> Iterator[Finding]:
    """Fetch what a pod fetches, with what it has, then compare with what is here."""
    repo, branch, subpath = answers.GIT_REPO, answers.GIT_BRANCH, answers.DAGS_SUBPATH
    if url_problem(repo, answers.GIT_ACCESS) or "your-org/" in repo:
        return  # values() reports it
    lacking = github_app.missing() or (["deploy_key"] if answers.SSH and not KEY.exists() else [])
    if lacking:
        yield unknown(f"{repo}: not asked, {answers.in_secrets('')} lacks {', '.join(lacking)}")
        return
    if answers.GIT_ACCESS == "https-token" and not os.environ.get("GIT_TOKEN"):
        yield unknown(f"{repo}: not asked, there is no token", "GIT_TOKEN=… make doctor")
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        one_commit = ("fetch", "--quiet", "--depth=1", "--filter=blob:none", repo, branch)
        made = git("init", "--quiet", "--bare", ".", folder=folder)
        fetched = made if made.returncode else ask_server(*one_commit, folder=folder, timeout=20)
        commit, files = "", []
        if not fetched.returncode:
            commit = git_output("rev-parse", "FETCH_HEAD^{commit}", folder=folder).strip()
            files = git_output("ls-tree", "-r", "--name-only", commit, folder=folder).splitlines()
    no_branch = "couldn't find remote ref" in fetched.stderr
    if fetched.returncode and not no_branch:
        what, fix = explained(fetched.stderr)
        # Whether the cluster reaches the server is not known here; what the server refuses, it refuses there.
        yield broken(what, fix, blocks=is_refused(fetched.stderr), cause=what)
        return
    means = {"ssh-deploy-key": "the deploy key alone", "https-token": "the token alone", "public": "no login"}
    yield fine(f"{repo} opens with {means.get(answers.GIT_ACCESS, 'the GitHub App alone')}")
    if no_branch:
        what, fix = explained(fetched.stderr)
        yield broken(what, fix, cause=what)
        return
    code = [file for file in files if file.endswith(".py")]
    where = f"{subpath}/ on branch {branch}"
    if dags := [file for file in code if file.startswith(f"{subpath}/")]:
        yield fine(f"{where}, commit {commit[:7]}: {len(dags)} Python files")
    else:
        folders = ", ".join(sorted({file.rpartition("/")[0] or "." for file in code})[:5]) or "no folder"
        yield broken(
            f"there is no Python file in {where} (Python files are in {folders})",
            "push it, or correct subPath in helm/values.yaml and dags_subpath in pyproject.toml",
        )
    yield from unpushed(commit)


def unpushed(commit: str) -> Iterator[Finding]:
    if git("rev-parse", "--is-inside-work-tree").returncode:
        return
    if git("cat-file", "-e", f"{commit}^{{commit}}").returncode:
        yield unknown("the server has commits that this checkout has not", "git pull")
        return
    branch = answers.GIT_BRANCH
    # None of a tag, or of a branch that is not here.
    here = git_output("rev-parse", "--verify", "--quiet", f"refs/heads/{branch}", none=1).strip()
    unpushed_count = git_output("rev-list", "--count", f"{commit}..{here}").strip() if here else ""
    if unpushed_count == "0":
        yield fine(f"every commit of {branch} is pushed")
    elif unpushed_count:
        what = f"commits of {branch} that are not pushed: {unpushed_count}"
        yield broken(what, f"git push origin {branch}", blocks=False)
    current = git_output("symbolic-ref", "--quiet", "--short", "HEAD", none=1).strip()
    if current and current != branch:
        yield unknown(f"you are on branch {current}; the cluster follows {branch}")


def cannot_prove() -> str:
    host, port, _ = address(answers.GIT_REPO)
    return f"{host}, port {port}, cannot prove a key of helm/known_hosts"


def meanings() -> Iterator[tuple[str, str, str]]:
    """Yield what they say (a regular expression), what it means and what to do.

    The first that fits wins: ssh says several of these at once, the cause before its consequence.
    """
    host, port, path = address(answers.GIT_REPO)
    where = "correct git_repo in pyproject.toml and helm/values.yaml"
    register = f"register the key that make keys shows at {where_to_register(answers.GIT_REPO)}"
    network = f"try: nc -vz {host} {port}"
    if host == "github.com" and answers.SSH:
        network += f", or reach GitHub by another port: ssh://git@ssh.github.com:443/{path}"
    changed = f"{host} shows another key than helm/known_hosts holds: is it new, or is somebody in between?"
    yield "HOST IDENTIFICATION HAS CHANGED", changed, "make known-hosts, and compare the fingerprints"
    yield "host key is known for|Host key verification failed", cannot_prove(), "make known-hosts"
    others = "others may read the deploy key, so ssh refuses it"
    yield "UNPROTECTED PRIVATE KEY", others, f"chmod 600 {answers.in_secrets('deploy_key')}"
    damaged = "ssh cannot read the deploy key: its text is damaged"
    yield "error in libcrypto|Load key .*invalid format", damaged, deploy_key.FIX
    unknown = f"{host} does not know this deploy key"
    yield r"Permission denied \(|Too many authentication failures", unknown, register
    yield NETWORK[0], f"there is no server {host}, or no network", where
    silent = f"{host} does not answer at port {port}: a firewall, a VPN that is off, or no network"
    yield NETWORK[1], silent, network
    other = f"{host} has no git server at port {port}"
    yield NETWORK[2], other, where
    app = f"compare {answers.in_secrets('github_app*')} with {github_app.page(answers.GIT_REPO)}, "
    app += f"then OVERWRITE={answers.SLUG}-github-app make secrets"
    yield "JSON web token|Integration not found", "GitHub knows no App of this ID with this key", app
    yield r"claim \('(exp|iat)'\)", "GitHub finds this clock wrong", "set it by a time server"
    yield "has been suspended", "the App's installation is suspended", "unsuspend it at GitHub"
    yield "returned status 404|create-an-installation", "the App has no installation of this ID", app
    private = "the repository is private, and git has no token for it"
    public = "make it public, or read it with a token (git_access https-token)"
    yield "could not read Username", private, public
    refused = "the server refuses the token, or it may not read this repository"
    new = "make a token that may read it, then GIT_TOKEN=… make rotate NAME=git_token"
    yield "Authentication failed|Access denied|returned error: 403", refused, new
    untrusted = f"{host}'s certificate is not one that this machine trusts"
    yield NETWORK[3], untrusted, "install your company's certificate authority, here and in the pods"
    push = f"git push -u origin {answers.GIT_BRANCH}, or correct it in pyproject.toml and helm/values.yaml"
    yield "couldn't find remote ref", f"the repository has no branch {answers.GIT_BRANCH}", push
    missing = f"{host} has no repository {path} that this login may see"
    not_there = "epository not found|could not be found|' not found|does not appear to be a git repository"
    seen = {"ssh-deploy-key": f", or {register}", "github-app": ", or let the App's installation see it"}
    yield not_there, missing, where + seen.get(answers.GIT_ACCESS, "")


def is_refused(words: str) -> bool:
    """Is it the git server's own answer that git failed with?"""
    return next((sign for sign, *_ in meanings() if re.search(sign, words)), NETWORK[0]) not in NETWORK


def explained(words: str) -> tuple[str, str]:
    """Return what the output of a failed git command means and what fixes it."""
    for sign, meaning, fix in meanings():
        if re.search(sign, words):
            return meaning, fix
    lines = [line.strip() for line in re.split(r"\n|\\n", words) if line.strip(' "}')]
    # The first fatal line is the cause ("couldn't find remote ref"), the last one its consequence.
    fatal = [line for line in lines if re.search("fatal: |^error: ", line)]
    words = next(iter(fatal), lines[-1] if lines else "no reason given")
    return f"git says: {words}", "git ls-remote shows the same; the lines before may say more"
