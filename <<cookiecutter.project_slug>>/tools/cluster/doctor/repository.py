"""The repository as a pod sees it: its server, the branch, the folder of DAGs, and what is not pushed yet."""

import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tools import answers
from tools.cluster.doctor import Finding, broken, fine, unknown
from tools.cluster.git_errors import explained
from tools.secrets import github_app
from tools.secrets.git_server import KEY, ask_server, git, url_problem


def repository() -> Iterator[Finding]:
    """Ask the server with what a pod has: does it open, is the branch there, is everything pushed?"""
    if url_problem(answers.GIT_REPO, answers.GIT_ACCESS) or "your-org/" in answers.GIT_REPO:
        return  # said with the values
    if answers.SSH and not KEY.exists():
        yield unknown(f"{answers.GIT_REPO}: not asked, there is no deploy key here")
        return
    if lacking := github_app.missing():
        yield unknown(f"{answers.GIT_REPO}: not asked, {answers.in_secrets('')} lacks {', '.join(lacking)}")
        return
    if answers.GIT_ACCESS == "https-token" and not os.environ.get("GIT_TOKEN"):
        yield unknown(f"{answers.GIT_REPO}: not asked, there is no token", "GIT_TOKEN=… make doctor")
        return
    listed = ask_server("ls-remote", "--heads", "--tags", answers.GIT_REPO)
    if listed.returncode:
        yield broken(*explained(listed.stderr))
        return
    means = {"ssh-deploy-key": "the deploy key alone", "https-token": "the token alone", "public": "no login"}
    yield fine(f"{answers.GIT_REPO} opens with {means.get(answers.GIT_ACCESS, 'the GitHub App alone')}")
    # A tag that has a message is listed twice; the second line, which ends with ^{}, has the commit.
    found = re.findall(r"^(\w+)\trefs/(heads|tags)/(.+?)(?:\^\{\})?$", listed.stdout, re.MULTILINE)
    commits = {name: commit for commit, _, name in found}
    branch = answers.GIT_BRANCH
    if branch not in commits:
        there = ", ".join(name for _, kind, name in found if kind == "heads") or "none, it is empty"
        fix = f"git push -u origin {branch}, or correct it in pyproject.toml and helm/values.yaml"
        yield broken(f"the repository has no branch {branch} (it has {there})", fix)
        return
    yield pushed_dags(commits[branch])
    if branch in [name for _, kind, name in found if kind == "heads"]:
        yield from unpushed(commits[branch])


def files_at(commit: str) -> list[str] | None:
    """Return the paths of a commit on the server, or None if it cannot be fetched."""
    listing = ("ls-tree", "-r", "--name-only", "--full-tree", commit)
    here = git(*listing)
    if here.returncode == 0:
        return here.stdout.splitlines()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        git("init", "--quiet", "--bare", ".", folder=folder)
        fetch = ("fetch", "--quiet", "--depth=1", "--filter=blob:none", answers.GIT_REPO, answers.GIT_BRANCH)
        if ask_server(*fetch, folder=folder, timeout=60).returncode:
            return None
        return git(*listing, folder=folder).stdout.splitlines()


def pushed_dags(commit: str) -> Finding:
    files = files_at(commit)
    where = f"{answers.DAGS_SUBPATH}/ on branch {answers.GIT_BRANCH}"
    if files is None:
        return unknown(f"{where}: the commit could not be fetched")
    inside = [name for name in files if name.startswith(f"{answers.DAGS_SUBPATH}/")]
    if not inside:
        code = sorted({name.rpartition("/")[0] for name in files if name.endswith(".py") and "/" in name})
        there = f" (Python files are in {', '.join(code[:5])})" if code else ""
        return broken(
            f"there is no {where}: git-sync looks well and shows no DAG{there}",
            "push it, or correct subPath in helm/values.yaml and dags_subpath in pyproject.toml",
        )
    count = sum(name.endswith(".py") for name in inside)
    if not count:
        return broken(f"there is no Python file in {where}", f"git push origin {answers.GIT_BRANCH}")
    return fine(f"{where}, commit {commit[:7]}: {count} Python files")


def unpushed(commit: str) -> Iterator[Finding]:
    if git("rev-parse", "--is-inside-work-tree").returncode:
        return
    if git("cat-file", "-e", f"{commit}^{{commit}}").returncode:
        yield unknown("the server has commits that this checkout has not", "git pull")
        return
    branch = answers.GIT_BRANCH
    ahead = git("rev-list", "--count", f"{commit}..refs/heads/{branch}").stdout.strip()
    if ahead == "0":
        yield fine(f"every commit of {branch} is pushed")
    elif ahead:
        yield broken(f"commits of {branch} that are not pushed: {ahead}", f"git push origin {branch}")
    current = git("symbolic-ref", "--short", "HEAD").stdout.strip()
    if current and current != branch:
        yield unknown(f"you are on branch {current}; the cluster follows {branch}")
