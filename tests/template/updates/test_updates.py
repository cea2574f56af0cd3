"""Projects that live on: a newer template for a project that its users have changed, by cruft and by copier.

Neither sees, changes nor makes a key. And the same answers given again, to cookiecutter.
"""

import json
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import copier
import pytest
import yaml

from scripts import copier_questions
from tests.conftest import PROJECT_FOLDER, QUESTIONS, TEMPLATE, run
from tests.template.bake.combinations import all_pairs, readable

CRUFT = [str(Path(sys.executable).with_name("cruft"))]
COPIER = [str(Path(sys.executable).with_name("copier"))]
COOKIECUTTER = [str(Path(sys.executable).with_name("cookiecutter"))]
FOLDER = PROJECT_FOLDER.name
# What the older state of the template lacked or said otherwise: a file, lines that users do not touch, a new pin.
NEW_FILE = f"{FOLDER}/.vscode/launch.json"
CHANGED = {
    f"{FOLDER}/<<cookiecutter.dags_subpath>>/transform.py": ('tags=["earthquakes"]', 'tags=["quakes"]'),
    f"{FOLDER}/Makefile": ("VENV := .venv\n", "VENV := .environment\n"),
    f"{FOLDER}/helm/values.yaml": ("terminationGracePeriodSeconds: 600", "terminationGracePeriodSeconds: 60"),
}
ANSWERS = {"project_slug": "quakes", "executor": "LocalExecutor"}


@pytest.fixture(scope="session")
def template(tmp_path_factory):
    """The template as a git repository with two tags: v0.1.0, somewhat older, and v0.2.0, this very state."""
    repository = tmp_path_factory.mktemp("template") / "airflow-etl-template"
    tracked = run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=TEMPLATE)
    for name in filter(None, tracked.split("\0")):
        if (TEMPLATE / name).exists():
            (repository / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(TEMPLATE / name, repository / name)
    run(["git", "init", "--quiet"], cwd=repository)
    now = {name: (repository / name).read_text() for name in (NEW_FILE, *CHANGED)}
    (repository / NEW_FILE).unlink()
    for name, (new, old) in CHANGED.items():
        assert now[name].count(new) >= 1, f"{new!r} is not in {name}"
        (repository / name).write_text(now[name].replace(new, old))
    commit(repository, "v0.1.0")
    for name, text in now.items():
        (repository / name).write_text(text)
    commit(repository, "v0.2.0")
    return repository


def commit(repository, tag=None):
    """Commit everything in a repository, and tag it."""
    run(["git", "add", "--all"], cwd=repository)
    run(["git", "commit", "--quiet", "--no-verify", "--message", tag or "Work"], cwd=repository)
    if tag:
        run(["git", "tag", tag], cwd=repository)


class Cruft:
    """Creates and updates projects; `temporary` is where it keeps its own copies for a moment."""

    keeps = ".cruft.json"

    def __init__(self, temporary):
        self.temporary = temporary

    def run(self, *arguments, cwd, expect=0):
        return run([*CRUFT, *arguments], cwd=cwd, expect=expect, TMPDIR=str(self.temporary))

    def create(self, template, project, tag):
        options = ["--no-input", "--checkout", tag, "--output-dir", project.parent]
        return self.run("create", template, *options, "--extra-context", json.dumps(ANSWERS), cwd=project.parent)

    def adopt(self, template, project, tag):
        answers = ["--extra-context", json.dumps(ANSWERS)]
        return self.run("link", template, "--no-input", "--checkout", tag, *answers, cwd=project)

    def update(self, project, tag):
        return self.run("update", "--skip-apply-ask", "--checkout", tag, cwd=project)

    def is_behind(self, project, tag):
        return "out of date" in self.run("check", "--checkout", tag, cwd=project, expect=None)


class Copier(Cruft):
    """The same with copier."""

    keeps = ".copier-answers.yml"

    def run(self, *arguments, cwd, expect=0):
        return run([*COPIER, *arguments], cwd=cwd, expect=expect, TMPDIR=str(self.temporary))

    def create(self, template, project, tag):
        answers = [word for name, value in ANSWERS.items() for word in ("--data", f"{name}={value}")]
        options = ["--trust", "--defaults", "--overwrite", "--vcs-ref", tag]
        return self.run("copy", *options, *answers, template, project, cwd=project.parent)

    adopt = create

    def update(self, project, tag):
        return self.run("update", "--trust", "--defaults", "--vcs-ref", tag, cwd=project)

    def is_behind(self, project, tag):
        assert tag == "v0.2.0", "copier compares with the newest tag"
        return "new template version" in self.run("check-update", cwd=project, expect=None).lower()


@pytest.fixture(params=[Cruft, Copier])
def tool(request, tmp_path):
    (tmp_path / "temporary").mkdir()
    return request.param(tmp_path / "temporary")


def create(tool, template, folder, tag="v0.1.0"):
    """Create a project from a tag of the template, commit it, and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    project = folder / "quakes"
    tool.create(template, project, tag)
    commit(project)
    return project


def secrets(project):
    """Return name → (bytes, mode, time of change) of every key and password, and the folder's own mode."""
    found = {"": stat.S_IMODE((project / "secrets").stat().st_mode)}
    for path in (project / "secrets").glob("[!.]*"):
        state = path.stat()
        found[path.name] = path.read_bytes(), stat.S_IMODE(state.st_mode), state.st_mtime_ns
    return found


def assert_nothing_secret(printed, project):
    """Assert that no key or password is in a text, nor a line of one."""
    assert "PRIVATE KEY" not in printed
    for path in (project / "secrets").iterdir():
        if path.suffix != ".pub" and path.name != ".gitignore":
            for line in path.read_text().splitlines():
                assert len(line) < 16 or line.strip() not in printed, f"{path.name} is printed"


def state(project):
    """Return path → (bytes, mode) of every file but git's own and the secrets."""
    return {
        path.relative_to(project).as_posix(): (path.read_bytes(), path.stat().st_mode)
        for path in project.rglob("*")
        if path.is_file() and path.relative_to(project).parts[0] not in (".git", "secrets")
    }


def secret_lines(project):
    """Return what must be nowhere else: each line of each key and password that is long enough to be one."""
    files = [path for path in (project / "secrets").iterdir() if path.suffix != ".pub" and path.name != ".gitignore"]
    return {line for path in files for line in path.read_text().splitlines() if len(line) >= 32}


def left_secrets(folder, project):
    """Return the files in a folder that hold a private key, or one of this project's secrets."""
    words = [b"PRIVATE KEY-----\n"]
    words += [line.encode() for line in secret_lines(project) if "known_hosts" not in line]
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [path for path in files if any(word in path.read_bytes() for word in words)]


@pytest.fixture
def project(tool, template, tmp_path):
    """A project of v0.1.0 whose users have changed a DAG, the values and the README."""
    project = create(tool, template, tmp_path / "work")
    edits = {
        "dags/extract.py": ('tags=["earthquakes"]', 'tags=["earthquakes", "ours"]'),
        "helm/values.yaml": ('period: "30s"', 'period: "10s"'),
    }
    for name, (old, new) in edits.items():
        text = (project / name).read_text()
        assert text.count(old) == 1, f"{old!r} in {name}"
        (project / name).write_text(text.replace(old, new))
    readme = project / "README.md"
    readme.write_text(readme.read_text() + "\n## Our own chapter\n\nWhom to call at night.\n")
    (project / "dags" / "orders.py").write_text('"""A DAG of our own."""\n')
    commit(project)
    return project


def test_update_brings_the_new_and_keeps_the_users_own(tool, project):
    before = secrets(project)
    assert before["deploy_key"][1] == 0o600
    assert (project / tool.keeps).exists()
    assert tool.is_behind(project, "v0.2.0")
    printed = tool.update(project, "v0.2.0")

    assert secrets(project) == before
    assert_nothing_secret(printed, project)
    assert not left_secrets(tool.temporary, project)
    assert not list(project.rglob("*.rej")), "an edit stands in the way of an update"
    # The template's news, in files that users had changed, too.
    assert (project / ".vscode/launch.json").exists()
    assert 'tags=["earthquakes"]' in (project / "dags" / "transform.py").read_text()
    assert "VENV := .venv\n" in (project / "Makefile").read_text()
    values = (project / "helm" / "values.yaml").read_text()
    assert "terminationGracePeriodSeconds: 600" in values
    # The users' own.
    assert 'period: "10s"' in values
    assert 'tags=["earthquakes", "ours"]' in (project / "dags" / "extract.py").read_text()
    assert "Whom to call at night." in (project / "README.md").read_text()
    assert (project / "dags" / "orders.py").exists()
    changed = run(["git", "status", "--short", "--untracked-files=all"], cwd=project)
    assert "secrets/" not in changed
    commit(project)
    assert not tool.is_behind(project, "v0.2.0")
    # What came with the update works on the keys that were there.
    run([sys.executable, "-B", "-m", "etl_tools.cli", "keys"], cwd=project)
    assert secrets(project) == before


def test_an_update_of_nothing_changes_nothing(tool, template, tmp_path):
    project = create(tool, template, tmp_path / "work", "v0.2.0")
    before = secrets(project)
    tool.update(project, "v0.2.0")
    assert run(["git", "status", "--short"], cwd=project) == ""
    assert secrets(project) == before
    assert not left_secrets(tool.temporary, project)
    # The check above can fail.
    (tool.temporary / "copy").write_bytes((project / "secrets/jwt_secret").read_bytes())
    assert left_secrets(tool.temporary, project)


def test_a_difference_shows_no_key(template, tmp_path):
    """cruft compares the project with a bake of its own, which has to have no keys to show."""
    (tmp_path / "temporary").mkdir()
    cruft = Cruft(tmp_path / "temporary")
    project = create(cruft, template, tmp_path / "work", "v0.2.0")
    before = secrets(project)
    assert cruft.run("diff", "--exit-code", cwd=project) == ""
    with (project / "README.md").open("a") as file:
        file.write("A line of our own\n")
    shown = cruft.run("diff", "--exit-code", cwd=project, expect=1)
    assert "A line of our own" in shown
    assert_nothing_secret(shown, project)
    assert secrets(project) == before


@pytest.mark.parametrize("answers", all_pairs(), ids=readable)
def test_copier_and_cookiecutter_give_the_same_files(template, bake, tmp_path, answers):
    project = tmp_path / "my-etl"
    # In this process: the tests above run the command.
    copier.run_copy(str(template), project, answers, vcs_ref="v0.2.0", defaults=True, unsafe=True, quiet=True)
    (project / ".copier-answers.yml").unlink()
    assert state(project) == state(bake(**answers))
    folders = [sorted(path.relative_to(root) for path in root.rglob("*/")) for root in (project, bake(**answers))]
    folders = [[path for path in found if path.parts[0] != ".git"] for found in folders]
    assert folders[0] == folders[1]


def test_copier_refuses_what_cookiecutter_refuses(template, tmp_path):
    answers = ["--data", "project_slug=My ETL", "--data", "namespace=Air_flow"]
    options = ["--trust", "--defaults", "--quiet", "--vcs-ref", "v0.2.0"]
    said = run([*COPIER, "copy", *options, *answers, template, tmp_path / "work"], cwd=tmp_path, expect=1)
    assert "project_slug: 'My ETL' must be" in said
    assert "namespace: 'Air_flow' must be" in said
    assert not (tmp_path / "work").exists()


def test_copier_asks_what_cookiecutter_asks():
    text = (TEMPLATE / "copier.yml").read_text(encoding="utf-8")
    assert yaml.safe_load(text) == copier_questions.copier(QUESTIONS), "make copier writes it anew"


def test_update_leaves_a_damaged_or_rotated_key_alone(tool, project):
    """What is in secrets/ is the users' business, whatever it is."""
    (project / "secrets" / "jwt_secret").write_text("rotated-by-hand-long-enough-for-everybody")
    (project / "secrets" / "deploy_key.old").write_text("the one before")
    (project / "secrets" / "fernet_key").unlink()
    before = secrets(project)
    tool.update(project, "v0.2.0")
    assert secrets(project) == before


def test_a_project_of_cookiecutter_is_adopted(tool, template, tmp_path):
    options = ["--no-input", "--checkout", "v0.2.0", "--output-dir", str(tmp_path)]
    run([*COOKIECUTTER, *options, str(template), *(f"{name}={value}" for name, value in ANSWERS.items())], cwd=tmp_path)
    project = tmp_path / "quakes"
    commit(project)
    before = secrets(project)
    assert_nothing_secret(tool.adopt(template, project, "v0.2.0"), project)
    assert secrets(project) == before
    assert run(["git", "status", "--short"], cwd=project) == f"?? {tool.keeps}\n"
    commit(project)
    assert not tool.is_behind(project, "v0.2.0")


def test_replay_gives_the_same_project(template, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    answers = [f"{name}={value}" for name, value in ANSWERS.items()]
    run([*COOKIECUTTER, "--no-input", "--output-dir", str(first), str(template), *answers], cwd=tmp_path)
    run([*COOKIECUTTER, "--replay", "--output-dir", str(second), str(template)], cwd=tmp_path)
    assert state(first / "quakes") == state(second / "quakes")
    one, other = secrets(first / "quakes"), secrets(second / "quakes")
    assert set(one) == set(other)
    assert one["fernet_key"][0] != other["fernet_key"][0]


def test_onto_an_existing_project_keeps_its_keys(template, tmp_path):
    """-f writes the template's files again, and nothing else."""
    bake = [*COOKIECUTTER, "--no-input", "--output-dir", str(tmp_path), str(template), "project_slug=quakes"]
    run(bake, cwd=tmp_path)
    project = tmp_path / "quakes"
    (project / "dags" / "orders.py").write_text('"""A DAG of our own."""\n')
    commit(project)
    before, files = secrets(project), state(project)
    head = run(["git", "rev-parse", "HEAD"], cwd=project)
    printed = run([*bake[:2], "--overwrite-if-exists", *bake[2:]], cwd=tmp_path)
    assert secrets(project) == before
    assert_nothing_secret(printed, project)
    assert state(project) == files
    assert run(["git", "rev-parse", "HEAD"], cwd=project) == head
    assert run(["git", "status", "--short"], cwd=project) == ""


def test_without_f_an_existing_project_is_refused_whole(template, tmp_path):
    bake = [*COOKIECUTTER, "--no-input", "--output-dir", str(tmp_path), str(template), "project_slug=quakes"]
    run(bake, cwd=tmp_path)
    before, files = secrets(tmp_path / "quakes"), state(tmp_path / "quakes")
    done = subprocess.run(bake, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "already exists" in done.stdout + done.stderr
    assert secrets(tmp_path / "quakes") == before
    assert state(tmp_path / "quakes") == files


def test_the_way_to_chart_2_changes_how_dags_are_delivered_and_nothing_else(bake):
    """dag_delivery flipped: the upgrade is one diff of helm/values.yaml, beside what the tools know of the answer."""
    before, after = state(bake(**ANSWERS)), state(bake(**ANSWERS, dag_delivery="git-dag-bundle"))
    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    assert "helm/values.yaml" in changed
    pages = {"README.md", *(f"docs/{name}.md" for name in ("deploy", "environments", "packages", "troubleshooting"))}
    assert changed <= {"Makefile", "helm/values.yaml", "pyproject.toml"} | pages, changed
    old, new = (text["helm/values.yaml"][0].decode() for text in (before, after))
    assert "gitSync:" in old
    assert "gitSync:" not in new
    assert "dagBundleConfigList:" in new
    # The same Secret serves both.
    assert "quakes-git-ssh" in old
    assert "quakes-git-ssh" in new
