"""The repository as a pod sees it: its server, the branch, the folder of DAGs, and what is not pushed yet."""

import ast
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tools import answers
from tools.cluster.doctor import Finding, broken, fine, unknown
from tools.cluster.git_errors import explained
from tools.secrets.git_remote import ask_server, git
from tools.secrets.git_server import url_problem

SSH = answers.GIT_ACCESS == "ssh-deploy-key"
KEY = answers.SECRETS / "deploy_key"
PUSH = f"git add {answers.DAGS_SUBPATH} && git commit && git push origin {answers.GIT_BRANCH}"


def ask(*arguments: str, **options) -> subprocess.CompletedProcess[str]:
    return ask_server(*arguments, key=KEY if SSH else None, **options)


def repository() -> Iterator[Finding]:
    if problem := url_problem(answers.GIT_REPO, answers.GIT_ACCESS):
        yield broken(f"git_repo: {problem}", "correct it in pyproject.toml and helm/values.yaml")
        return
    if SSH and not KEY.exists():
        yield unknown(f"{answers.GIT_REPO}: not asked, there is no deploy key here")
        return
    if answers.GIT_ACCESS == "https-token" and not os.environ.get("GIT_TOKEN"):
        yield unknown(f"{answers.GIT_REPO}: not asked, there is no token", "GIT_TOKEN=… make doctor")
        return
    listed = ask("ls-remote", "--heads", answers.GIT_REPO)
    if listed.returncode:
        yield broken(*explained(listed.stderr))
        return
    means = {"ssh-deploy-key": "the deploy key alone", "https-token": "the token alone", "public": "no login"}
    yield fine(f"{answers.GIT_REPO} opens with {means[answers.GIT_ACCESS]}")
    branches = dict(reversed(line.split("\trefs/heads/")) for line in listed.stdout.splitlines())
    branch = answers.GIT_BRANCH
    if branch not in branches:
        there = ", ".join(sorted(branches)[:5]) or "none, it is empty"
        cure = f"git push -u origin {branch}, or correct it in pyproject.toml and helm/values.yaml"
        yield broken(f"the repository has no branch {branch} (it has {there})", cure)
        return
    yield pushed_dags(branches[branch])
    yield from unpushed(branches[branch])


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
        if ask(*fetch, folder=folder, timeout=60).returncode:
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
        return broken(f"there is no Python file in {where}", PUSH)
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


def dag_files() -> Iterator[Finding]:
    folder = answers.ROOT / answers.DAGS_SUBPATH
    if not folder.is_dir():
        cure = "git checkout, or correct dags_subpath in pyproject.toml"
        yield broken(f"there is no folder {answers.DAGS_SUBPATH}/ here", cure)
        return
    files = sorted(folder.rglob("*.py"))
    problems = [problem for path in files for problem in import_problems(path, folder)]
    changed = git("status", "--porcelain", "--untracked-files=all", "--", answers.DAGS_SUBPATH)
    if names := [line[3:] for line in changed.stdout.splitlines()]:
        more = f" and {len(names) - 5} more" if len(names) > 5 else ""
        problems.append(broken(f"not committed: {', '.join(names[:5])}{more}", PUSH, blocks=False))
    yield from problems or [
        fine(f"{answers.DAGS_SUBPATH}/: {len(files)} Python files, well formed and committed")
    ]


def import_problems(path: Path, folder: Path) -> Iterator[Finding]:
    """Find what cannot be imported in a pod, where only the DAG folder is on sys.path."""
    name = path.relative_to(answers.ROOT)
    try:
        tree = ast.parse(path.read_bytes(), filename=str(name))
    except (SyntaxError, ValueError) as error:
        line, words = getattr(error, "lineno", None) or 1, getattr(error, "msg", error)
        yield broken(f"{name}:{line}: {words}", "correct it; make test shows more", blocks=False)
        return
    elsewhere_too = {entry.stem for entry in folder.iterdir()} | sys.stdlib_module_names
    for node in ast.walk(tree):
        modules = []
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            modules = [node.module]
        for module in modules:
            if module.partition(".")[0] not in elsewhere_too and is_at_root(module):
                yield broken(
                    f"{name}:{node.lineno}: no pod can import {module}: it sees {answers.DAGS_SUBPATH}/ only",
                    f"move it into {answers.DAGS_SUBPATH}/ and import it by its name from there",
                    blocks=False,
                )


def is_at_root(module: str) -> bool:
    """Tell whether a module is found from the repository's root, where laptops look and pods do not."""
    path = answers.ROOT.joinpath(*module.split("."))
    # A folder named airflow may hold the DAGs: without code of its own, no `import airflow` finds it.
    return path.with_suffix(".py").is_file() or (path.is_dir() and any(path.glob("*.py")))
