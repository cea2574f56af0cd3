"""make data-diff: what this checkout changes in the data, against the commit where it left another branch.

The DAGs that a change reaches run on their sample days, as they were and as they are, each side in a copy of
its own. Rows, rejects and columns that differ become build/data-diff.md, and GitHub's job summary.

1: a DAG that ran before does not run any more. 2: there is nothing to compare with, or what ran wrote no dataset.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from etl_tools import answers, programs
from etl_tools.local.data_diff import reach

REPORT = answers.ROOT / "build" / "data-diff.md"
OWN = (".env", "secrets/connections.env")  # what a run takes from this checkout, and git does not have


def main(base: str) -> int:
    """Write the report, and return the exit code."""
    try:
        text, status = compared(merge_base(base or default_base()))
    except ValueError as problem:
        print(f"make data-diff: {problem}", file=sys.stderr)
        return 2
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text(text, encoding="utf-8", errors="replace")
    if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
        with open(summary, "a", encoding="utf-8", errors="replace") as file:
            file.write(text)
    print(text)
    print(f"It is in {os.path.relpath(REPORT)}, too.")
    return status


def default_base() -> str:
    """What a pull request would be merged into, as CI says it, or the branch that the cluster follows."""
    if commit := os.environ.get("CI_MERGE_REQUEST_DIFF_BASE_SHA"):
        return commit
    branch = os.environ.get("GITHUB_BASE_REF") or answers.GIT_BRANCH
    there = programs.run("git", "-C", answers.ROOT, "rev-parse", "--verify", "--quiet", f"origin/{branch}")
    return branch if there.returncode else f"origin/{branch}"


def merge_base(name: str) -> str:
    """The commit where HEAD left that branch; ValueError where there is none."""
    try:
        return git("-C", answers.ROOT, "merge-base", "--end-of-options", name, "HEAD").strip()
    except ValueError as problem:
        why = str(problem) or "it has no commit in common with HEAD"
        words = f"{name} cannot be compared with ({why}). Say a branch or commit: make data-diff BASE=main"
        raise ValueError(words) from None


def git(*words: object) -> str:
    """What git prints; ValueError with its last line where it fails."""
    done = programs.run("git", *words)
    if done.returncode:
        raise ValueError("".join(done.stderr.strip().splitlines()[-1:]))
    return done.stdout


def compared(base: str) -> tuple[str, int]:
    """The report, and the exit code."""
    from etl_tools.local.data_diff import compare, report

    with tempfile.TemporaryDirectory(prefix="data-diff-") as name:
        before, after = Path(name) / "before", Path(name) / "after"
        copy_commit(base, before)
        copy_checkout(after)
        changed = reach.changed_files(before, after)
        sides = [
            start(folder, reach.dag_files(folder / answers.DAGS_SUBPATH, folder, changed)) for folder in (before, after)
        ]
        results = [result(*side) for side in sides]
        datasets = compare.datasets(before / ".airflow/data", after / ".airflow/data")
        text = report.markdown(base, changed, results, datasets)
    if lost(*results):
        return text, 1
    ran = results[0]["ran"].keys() & results[1]["ran"].keys()
    return text, 2 if ran and not report.compared_any(datasets) else 0


def lost(before: dict[str, Any], after: dict[str, Any]) -> bool:
    """Whether something that ran before fails now: a DAG, its file, which may not be imported, or ("") everything."""
    return not {*before["ran"], *before["ran"].values(), ""}.isdisjoint(after["failed"])


def copy_commit(commit: str, target: Path) -> None:
    """The files of a commit; a clone, for `git archive` leaves out what .gitattributes says."""
    git("clone", "--quiet", "--shared", "--no-checkout", answers.ROOT, target)
    git("-C", target, "checkout", "--quiet", "--detach", commit)
    take_own(target)


def copy_checkout(target: Path) -> None:
    """The files of this checkout, changes that are not committed included."""
    copy_commit("HEAD", target)
    listed = git("-C", answers.ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    there = {path for path in listed.split("\0") if path and (answers.ROOT / path).exists()}
    ours = git("-C", target, "ls-files", "-z").split("\0")
    for path in set(filter(None, ours)) - there:
        (target / path).unlink(missing_ok=True)
    for path in there:
        source = answers.ROOT / path
        if source.is_file():
            (target / path).parent.mkdir(parents=True, exist_ok=True)
            (target / path).unlink(missing_ok=True)
            (target / path).write_bytes(source.read_bytes())


def take_own(target: Path) -> None:
    for name in OWN:
        if (answers.ROOT / name).exists():
            (target / name).parent.mkdir(exist_ok=True)
            (target / name).symlink_to(answers.ROOT / name)


def start(folder: Path, files: list[str]) -> tuple[subprocess.Popen[bytes], Path, Path]:
    """Run the DAGs of these files in a process of the folder's own."""
    if not (folder / answers.DAGS_SUBPATH).is_dir():
        files = []
    outcome, log = folder.with_suffix(".json"), folder.with_suffix(".log")
    environment = {
        **{name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "ETL_DATA_ROOT")},
        "ETL_DATA_ROOT": f"file://{folder}/.airflow/data",
    }
    with open(log, "w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "etl_tools.local.data_diff.side", outcome, *files],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    return process, outcome, log


def result(process: subprocess.Popen[bytes], outcome: Path, log: Path) -> dict[str, Any]:
    """What a side says about its DAGs; one that ended without a word is a failure of all of them."""
    process.wait()
    if outcome.exists():
        found: dict[str, Any] = json.loads(
            outcome.read_text(encoding="utf-8").replace(f"{outcome.with_suffix('')}/", "")
        )
        return found
    last = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:] or ["it does not say why"]
    return {"ran": {}, "failed": {"": last[0]}, "left": {}}
