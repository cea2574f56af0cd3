"""The hook after generation: a git repository on the chosen branch, no empty folders, nothing that depends on luck."""

import subprocess
import sys

import pytest

from hooks import post_gen_project as hook
from tests.conftest import QUESTIONS, TEMPLATE, bake_into, clean_environment, run


def git(project, *arguments, expect=0):
    return run(["git", *arguments], cwd=project, expect=expect).strip()


def test_repository_on_the_chosen_branch_with_nothing_committed(bake):
    project = bake(git_branch="release/1.0")
    assert git(project, "symbolic-ref", "HEAD") == "refs/heads/release/1.0"
    assert git(project, "remote") == ""
    assert "No commits yet" in git(project, "status")


def test_an_existing_repository_stays_as_it_is(bake_fresh):
    project = bake_fresh()
    git(project, "checkout", "-q", "-b", "work")
    git(project, "add", ".")
    git(project, "commit", "-q", "-m", "mine")
    before = git(project, "rev-parse", "HEAD")
    run(
        [sys.executable, "-m", "cookiecutter", "--no-input", "-f", "-o", str(project.parent), str(TEMPLATE)],
        cwd=project.parent,
    )
    assert git(project, "rev-parse", "HEAD") == before
    assert git(project, "symbolic-ref", "--short", "HEAD") == "work"
    assert git(project, "status", "--porcelain") == ""


def bake_with_path(folder, path, here=None, **answers):
    """Bake with another PATH, as a process of its own, called from `here`; return what was printed."""
    command = [sys.executable, "-m", "cookiecutter", "--no-input", "-o", str(folder), str(TEMPLATE)]
    command += [f"{name}={value}" for name, value in answers.items()]
    return run(command, cwd=here or folder, PATH=str(path), PWD=str(here or folder))


def test_without_git_and_ssh_keygen_the_project_survives(tmp_path):
    empty = tmp_path / "bin"
    empty.mkdir()
    printed = bake_with_path(tmp_path, empty)
    project = tmp_path / "my-etl"
    assert (project / "Makefile").is_file()
    assert not (project / ".git").exists()
    assert "Warning: git init failed" in printed
    assert "git init && git symbolic-ref HEAD refs/heads/main" in printed
    assert "make keys" in printed
    assert (project / "secrets" / "fernet_key").is_file()
    assert not (project / "secrets" / "deploy_key").exists()


def test_git_without_a_branch_option(tmp_path):
    """git before 2.28 has no `git init -b`; this one refuses it, as those do."""
    folder = tmp_path / "bin"
    folder.mkdir()
    old = folder / "git"
    old.write_text(
        "#!/bin/sh\n"
        'for word in "$@"; do case "$word" in -b|--initial-branch*) echo "usage: git init" >&2; exit 129;; esac; done\n'
        f'PATH="{clean_environment()["PATH"]}" exec git "$@"\n'
    )
    old.chmod(0o755)
    bake_with_path(tmp_path, f"{folder}:{clean_environment()['PATH']}", git_branch="develop")
    assert git(tmp_path / "my-etl", "symbolic-ref", "--short", "HEAD") == "develop"


@pytest.mark.parametrize("access", ["ssh-deploy-key", "https-token", "github-app", "public"])
def test_git_refuses_every_secret(bake, access):
    project = bake(git_access=access)
    secrets = [path for path in (project / "secrets").iterdir() if path.name != ".gitignore"]
    assert secrets
    for path in secrets:
        assert git(project, "check-ignore", str(path)) == str(path)
    assert git(project, "add", "--dry-run", ".").count("'secrets/") == 1  # its .gitignore


def test_a_project_that_would_take_a_secret_is_told(bake_fresh, monkeypatch):
    project = bake_fresh()
    (project / ".gitignore").write_text("")
    (project / "secrets" / ".gitignore").write_text("")
    monkeypatch.chdir(project)
    assert sorted(hook.not_ignored_secrets()) == sorted(
        f"secrets/{path.name}" for path in (project / "secrets").iterdir() if path.name != ".gitignore"
    )


def test_nothing_secret_is_printed_or_left_behind(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    out = tmp_path / "out"
    out.mkdir()
    printed = run(
        [sys.executable, "-m", "cookiecutter", "--no-input", "-o", str(out), str(TEMPLATE)],
        cwd=out,
        HOME=str(home),
        TMPDIR=str(temporary),
        COOKIECUTTER_CONFIG=None,
        GIT_CONFIG_GLOBAL=None,
    )
    project = out / "my-etl"
    values = [
        path.read_text().strip()
        for path in (project / "secrets").iterdir()
        if path.suffix not in (".pub", ".yaml") and path.name != ".gitignore"
    ]
    assert len(values) >= 6
    elsewhere = printed + "".join(
        path.read_text(errors="replace")
        for folder in (home, temporary, out)
        for path in folder.rglob("*")
        if path.is_file() and path.parent != project / "secrets"
    )
    for value in values:
        assert value not in elsewhere
        assert value.splitlines()[-1] not in elsewhere or "PRIVATE KEY" in value
    assert list(home.rglob("*.json")), "cookiecutter kept no replay file, so this test looked at nothing"


def test_next_steps_name_this_project(tmp_path):
    printed = bake_with_path(tmp_path, clean_environment()["PATH"], project_slug="quakes", git_branch="trunk")
    for line in (
        "cd quakes",
        "git remote add origin git@github.com:your-org/quakes.git",
        "git push -u origin trunk",
        "make deploy",
    ):
        assert line in printed
    assert "ssh-ed25519 " in printed
    assert "/settings/keys" in printed


@pytest.mark.parametrize(
    ("answers", "step"),
    [
        ({"git_repo": "git@git.example.com:acme/quakes.git"}, "make known-hosts"),
        ({"git_access": "github-app", "dag_delivery": "git-dag-bundle"}, "make add PKG=PyGithub"),
        ({"data_root": "s3://bucket/etl"}, "make add PKG='apache-airflow-providers-amazon[s3fs]'"),
        ({}, None),
    ],
)
def test_what_changes_files_comes_before_the_commit(tmp_path, answers, step):
    """Without it doctor would be the first to say so, after the push."""
    printed = bake_with_path(tmp_path, clean_environment()["PATH"], **answers)
    steps = [line.strip().partition("  #")[0].strip() for line in printed.partition("Next:")[2].splitlines()]
    wanted = ["make run", *([step] if step else []), "git remote add"]
    start = steps.index("make run")
    for line, beginning in zip(steps[start:], wanted, strict=False):
        assert line.startswith(beginning), steps


@pytest.mark.parametrize(
    ("folder", "here", "way"), [("a/build b", "a", "'build b/my-etl'"), ("b", "a", "{root}/b/my-etl")]
)
def test_the_printed_way_leads_there(tmp_path, folder, here, way):
    """As of `make demo`, whose project is in build/."""
    for name in (folder, here):
        (tmp_path / name).mkdir(parents=True, exist_ok=True)
    printed = bake_with_path(tmp_path / folder, clean_environment()["PATH"], here=tmp_path / here)
    assert f"  cd {way.format(root=tmp_path)}\n" in printed


def test_hook_is_short():
    assert len((TEMPLATE / "hooks" / "post_gen_project.py").read_text().splitlines()) < 120


def test_hooks_import_nothing_but_the_standard_library():
    for path in (TEMPLATE / "hooks").glob("*.py"):
        script = "import sys; before = set(sys.modules); import runpy; runpy.run_path(sys.argv[1], run_name='checked');"
        script += (
            "print(*{name.split('.')[0] for name in set(sys.modules) - before} - sys.stdlib_module_names - {'hooks'})"
        )
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", script, path], capture_output=True, text=True, check=True
        )
        assert done.stdout.strip() == ""


def test_a_folder_that_was_not_chosen_is_gone(tmp_path):
    project = bake_into(tmp_path, ci="none")
    assert not (project / ".github").exists()
    assert QUESTIONS["ci"] == ["github", "gitlab", "none"]


@pytest.mark.parametrize("executor", QUESTIONS["executor"])
@pytest.mark.parametrize("delivery", QUESTIONS["dag_delivery"])
def test_a_pod_a_task_with_a_bundle_is_a_warning(tmp_path, capfd, executor, delivery):
    bake_into(tmp_path, executor=executor, dag_delivery=delivery)
    printed = capfd.readouterr().out
    assert "make deploy" in printed
    assert ("whole history" in printed) == (delivery == "git-dag-bundle" and executor == "KubernetesExecutor")
