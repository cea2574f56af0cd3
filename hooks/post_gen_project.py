"""Finish a new project: remove what was not chosen, make its keys, start its git repository, say what comes next.

Run by cookiecutter's own interpreter, inside the new project. Whatever is optional may fail: failing here would make
cookiecutter remove the project.
"""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

# What the stock image lacks for s3://, and for a GitHub App's bundle.
S3FS = "  make add PKG='apache-airflow-providers-amazon[s3fs]'   # for the pods: docs/packages.md\n"
PYGITHUB = "  make add PKG=PyGithub   # for the pods: docs/packages.md\n"
HOSTS = "  make known-hosts  # the keys of your git server: compare them, say yes\n"
# cookiecutter fills this in.
ANSWERS = r"""<< cookiecutter | tojson >>"""


def run(*command):
    """Run a command and return (exit status, its output); a missing program is a status of 127."""
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    except OSError as error:
        return 127, str(error)
    return done.returncode, done.stdout.strip()


def made_by_cruft_for_a_comparison(answers, project):
    """Tell whether cruft only compares: it renders again in a temporary folder, where keys must not be made."""
    if "_commit" not in answers:
        return False
    import tempfile

    return project.parent.parent.resolve() == Path(tempfile.gettempdir()).resolve()


def remove_what_was_not_chosen():
    """Remove the folders whose only file was not chosen."""
    for folder in (Path(".github/workflows"), Path(".github")):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def start_repository(branch):
    """Run `git init` on the chosen branch, unless there is a repository; return a warning or None."""
    if Path(".git").exists():
        return None
    status, output = run("git", "init", "--quiet")
    if status:
        return f"git init failed ({output}); later: git init && git symbolic-ref HEAD refs/heads/{branch}"
    # Not `git init -b`: git older than 2.28 does not know it.
    run("git", "symbolic-ref", "HEAD", f"refs/heads/{branch}")
    return None


def make_keys():
    """Run the keys module of the wheel in vendor/, which prints what it made; return whether all keys are there."""
    try:
        sys.path[:0] = [str(wheel.resolve()) for wheel in Path("vendor").glob("*.whl")]
        from etl_tools.secrets import keys

        return keys.main() == 0
    except (OSError, ImportError) as error:
        print(f"Warning: no keys were made: {error}")
        return False


def not_ignored_secrets():
    """Return the files in secrets/ that git would take, except .gitignore itself."""
    if not Path(".git").exists():
        return []
    files = [str(path) for path in Path("secrets").glob("*") if path.name != ".gitignore"]
    ignored = run("git", "check-ignore", "--", *files)[1].splitlines()
    return sorted(set(files) - set(ignored))


def before_the_commit(answers):
    """Return the steps that change what is committed, a line each."""
    hosts = Path("helm/known_hosts")
    keyless = hosts.exists() and all(line.startswith("#") for line in hosts.read_text().split("\n") if line)
    app_s_bundle = (answers["git_access"], answers["dag_delivery"]) == ("github-app", "git-dag-bundle")
    s3 = answers["data_root"].startswith("s3:")
    return S3FS * s3 + PYGITHUB * app_s_bundle + HOSTS * keyless


def main(comparison=False):
    """Do the steps; every warning comes with what to do about it. A comparison, or an update, needs no keys."""
    answers, project = json.loads(ANSWERS), Path.cwd()
    remove_what_was_not_chosen()
    if comparison or made_by_cruft_for_a_comparison(answers, project):
        return
    warnings = [start_repository(answers["git_branch"])]
    print(f"\n{answers['project_slug']} is in {project}\n")
    if not make_keys():
        warnings.append("some keys are missing; later, in the project: make keys")
    if exposed := not_ignored_secrets():
        warnings.append(f"git would take {', '.join(exposed)}: put /secrets/ into .gitignore before you commit")
    if answers["dag_delivery"] == "git-dag-bundle" and answers["executor"] == "KubernetesExecutor":
        what = "each task's pod will clone the repository with its whole history"
        warnings.append(f"{what}; for a large one, prefer git-sync or the CeleryExecutor")
    for warning in filter(None, warnings):
        print(f"Warning: {warning}")
    here = os.environ.get("PWD", "")  # where cookiecutter was called
    way = os.path.relpath(project, here) if here and project.is_relative_to(here) else str(project)
    print(
        f"\nNext:\n  cd {shlex.quote(way)}\n  make run          # extract and transform, on the sample days\n"
        f"{before_the_commit(answers)}"
        f"  git remote add origin {answers['git_repo']}\n"
        f"  git add . && git commit -m 'Start' && git push -u origin {answers['git_branch']}\n"
        "  make deploy       # to the cluster that kubectl points at\n"
    )


if __name__ == "__main__":
    main()
