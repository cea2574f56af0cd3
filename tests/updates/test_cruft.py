"""cruft brings a project up to date with the template, and neither sees, changes nor makes a key."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import PROJECT_FOLDER, TEMPLATE, clean_environment

NOT_THE_TEMPLATE = shutil.ignore_patterns(".git", ".venv", ".tools", ".cache", "build", "__pycache__", ".*_cache")


def git(folder, *arguments):
    subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def template(tmp_path):
    """The template as a git repository of its own, to bring out a new version of."""
    copy = Path(shutil.copytree(TEMPLATE, tmp_path / "template", ignore=NOT_THE_TEMPLATE))
    git(copy, "init", "--quiet")
    git(copy, "add", "--all")
    git(copy, "commit", "--quiet", "-m", "Version 1")
    return copy


@pytest.fixture
def temporary(tmp_path):
    """Where cruft and cookiecutter put what they need for a moment."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    return folder


@pytest.fixture
def cruft(temporary):
    def run(*arguments, cwd, expect=0):
        done = subprocess.run(
            [sys.executable, "-m", "cruft", *arguments],
            cwd=cwd,
            env=clean_environment() | {"TMPDIR": str(temporary)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == expect, done.stdout
        return done.stdout

    return run


@pytest.fixture
def project(cruft, template, tmp_path):
    """A project that cruft made, committed, as it is before an update."""
    cruft("create", str(template), "--no-input", "--output-dir", str(tmp_path / "made"), cwd=tmp_path)
    made = tmp_path / "made" / "my-etl"
    git(made, "add", "--all")
    git(made, "commit", "--quiet", "-m", "Begin")
    return made


def secrets(project):
    """Name → content, mode and time of change of everything in secrets/."""
    paths = [project / "secrets", *(project / "secrets").iterdir()]
    return {
        path.name: (path.read_bytes() if path.is_file() else None, path.stat().st_mode, path.stat().st_mtime_ns)
        for path in paths
    }


def secret_words(project):
    """What must stand nowhere else: each secret, and each line of the private key."""
    files = [path for path in (project / "secrets").iterdir() if path.name not in (".gitignore", "deploy_key.pub")]
    texts = [path.read_text() for path in files]
    return {line for text in texts for line in text.splitlines() if len(line) >= 32 and "known_hosts" not in line}


def new_version(template):
    """Change what a template's author changes: words, and a script that reads the keys."""
    for name in ("README.md", "tools/secrets/manifests.py"):
        with (template / PROJECT_FOLDER.name / name).open("a") as file:
            file.write("\n# A line of version 2\n")
    git(template, "add", "--all")
    git(template, "commit", "--quiet", "-m", "Version 2")


def test_cruft_makes_a_project_with_its_keys(project):
    assert (project / "secrets/deploy_key").stat().st_mode & 0o777 == 0o600
    assert (project / ".cruft.json").exists()


def test_a_project_as_made_has_no_difference(project, cruft, temporary):
    before = secrets(project)
    assert "up to date" in cruft("check", cwd=project)
    assert cruft("diff", "--exit-code", cwd=project).strip() == ""
    assert secrets(project) == before
    assert not left_secrets(temporary, project)


def test_a_difference_shows_no_key(project, cruft, temporary):
    """cruft compares the project with a bake of its own, which has to have no keys to show."""
    before = secrets(project)
    with (project / "README.md").open("a") as file:
        file.write("A line of our own\n")
    shown = cruft("diff", "--exit-code", cwd=project, expect=1)
    assert "A line of our own" in shown
    assert not [word for word in secret_words(project) if word in shown]
    assert "PRIVATE KEY" not in shown
    assert secrets(project) == before
    assert not left_secrets(temporary, project)


def test_an_update_takes_the_new_lines_and_leaves_the_keys(project, template, cruft, temporary):
    before = secrets(project)
    words = secret_words(project)
    new_version(template)
    cruft("check", cwd=project, expect=1)
    said = cruft("update", "--skip-apply-ask", cwd=project)
    assert not [word for word in words if word in said]
    assert (project / "README.md").read_text().endswith("# A line of version 2\n")
    assert secrets(project) == before
    assert not left_secrets(temporary, project)
    # What came with the update works on the keys that were there.
    subprocess.run([sys.executable, "-B", "-m", "tools.secrets.keys"], cwd=project, check=True, capture_output=True)
    assert secrets(project) == before


def left_secrets(folder, project):
    """Files under a folder that hold a private key, or one of this project's secrets."""
    words = [b"PRIVATE KEY-----\n", *(word.encode() for word in secret_words(project))]
    files = (Path(parent, name) for parent, _, names in os.walk(folder) for name in names)
    return [path for path in files if any(word in path.read_bytes() for word in words)]


def test_left_secrets_are_found(project, temporary):
    """The check above can fail."""
    assert not left_secrets(temporary, project)
    (temporary / "copy").write_bytes((project / "secrets/jwt_secret").read_bytes())
    assert left_secrets(temporary, project)
