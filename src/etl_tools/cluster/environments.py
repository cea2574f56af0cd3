"""Environments beside each other: none shares its place, data or database with another; `make promote`."""

import os
import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from etl_tools import answers
from etl_tools.cluster.helm_values import merged
from etl_tools.cluster.kubectl import ClusterError, confirm
from etl_tools.programs import run
from etl_tools.project import advice


def name_of(environment: str) -> str:
    return environment or "the one without ENV"


def taken(environment: str) -> dict[str, str]:
    """Return what belongs to an environment alone, as far as pyproject.toml, helm/ and secrets/ know it."""
    own = answers.ALL[""] | answers.ALL[environment]
    secrets = answers.ROOT / "secrets" / environment
    remembered, url = secrets / "cluster", secrets / "database_url"
    cluster = remembered.read_text() if remembered.exists() else own.get("context", "")
    found = {"namespace": f"{own['namespace']} in {cluster or 'the cluster that kubectl points at'}"}
    variables = {item["name"]: str(item.get("value")) for item in merged(environment).get("env", [])}
    root = answers.ALL[environment].get("data_root") or variables.get("ETL_DATA_ROOT", "")
    if not root.startswith("file:"):  # a volume belongs to its namespace
        found["data_root"] = f"{root} {variables.get('AZURE_STORAGE_ACCOUNT_NAME', '')}".strip()
    if url.exists():
        parts = urlsplit(url.read_text(encoding="utf-8").strip())
        found["database"] = f"{parts.hostname}:{parts.port or 5432}{parts.path}"
    return found


def shared() -> Iterator[str]:
    """Yield what this environment shares with another one, and must not."""
    mine = taken(answers.ENV)
    for other in [other for other in answers.ALL if other != answers.ENV]:
        theirs = taken(other)
        for what, value in [(what, value) for what, value in mine.items() if theirs.get(what) == value]:
            yield f"environments {name_of(answers.ENV)} and {name_of(other)} have one {what}, {value}"


def git(*words: str) -> str:
    """Run git as the person at the keyboard; ClusterError with its first complaint if it fails."""
    ended = run("git", "-C", answers.ROOT, *words)
    if ended.returncode:
        error = re.search(r"(?m)^(fatal:|error:| !) .*", ended.stderr)
        raise ClusterError(f"git {words[0]}: {error[0].strip() if error else ended.stderr.strip() or 'failed'}")
    return ended.stdout.strip()


def promote() -> None:
    """Move the environment's branch to the tag TAG, forward or back, after a yes; the pods follow it."""
    tag, branch, name = os.environ.get("TAG", ""), answers.GIT_BRANCH, answers.ENV
    if branch == answers.ALL[""]["git_branch"]:
        raise ClusterError(
            f"{name_of(name)} follows {branch}, the branch you work on. Promote one with its own "
            "git_branch in pyproject.toml: ENV=production make promote (docs/environments.md)"
        )
    git("fetch", "--quiet", "--tags", "origin")
    now = git("ls-remote", "origin", f"refs/heads/{branch}").partition("\t")[0]
    if not tag:
        tags = git("tag", "--sort=-version:refname").split()[:5] or ["none yet: git tag v1 && git push origin v1"]
        at = git("describe", "--always", "--tags", now) if now else "nothing yet"
        raise ClusterError(f"which one? TAG=… (the newest: {', '.join(tags)}). {name} is at {at}")
    to = git("rev-parse", "--verify", f"refs/tags/{tag}^{{commit}}")
    if to == now:
        print(f"{name} is at {tag} already.")
        return
    print(f"{name} (branch {branch}) would move to {tag}:")
    if now:
        print(git("log", "--oneline", "--left-right", f"{now}...{to}"))
        print(git("diff", "--stat", now, to, "--", answers.DAGS_SUBPATH))
    confirm("yes", f"Move {name} to {tag}?")
    # Refused if somebody moved it meanwhile.
    git("push", "--quiet", f"--force-with-lease={branch}:{now}", "origin", f"{to}:refs/heads/{branch}")
    print(advice(f"{name} follows {tag}. Whether its pods have it: make follow. Back: TAG=the one before"))
