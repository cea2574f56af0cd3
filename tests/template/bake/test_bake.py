"""What comes out of the template: exactly the files that were asked for, all of them well formed and in good style."""

import ast
import itertools
import json
import re
import stat
import sys
import tomllib

import pytest
import yaml
from cookiecutter.generate import is_copy_only_path

from hooks.pre_gen_project import check_places
from tests.conftest import PROJECT_FOLDER, QUESTIONS, TEMPLATE, make_command, run
from tests.template.bake.combinations import CHOICES, all_pairs, readable

# Each project is baked once, on one worker.
pytestmark = pytest.mark.xdist_group("bake")

COMBINATIONS = all_pairs()
each_combination = pytest.mark.parametrize("answers", COMBINATIONS, ids=readable)


def files_of(project):
    """Return the project's files as paths from its root, without git's own, the secrets and compiled bytecode."""
    paths = (path.relative_to(project) for path in project.rglob("*") if path.is_file())
    # Other tests run the tools of the same baked project.
    kept = (path for path in paths if path.parts[0] not in (".git", "secrets") and "__pycache__" not in path.parts)
    return {path.as_posix() for path in kept}


def test_combinations_cover_every_pair():
    for one, other in itertools.combinations(CHOICES, 2):
        seen = {(answers[one], answers[other]) for answers in COMBINATIONS}
        assert seen == set(itertools.product(CHOICES[one], CHOICES[other]))


def test_combinations_know_every_choice():
    for name, choices in QUESTIONS.items():
        if isinstance(choices, list) and not name.startswith("_"):
            assert CHOICES[name] == choices


def expected_files(answers):
    """Read expected_files.txt: a path a line, then, where it depends on an answer, `question=its beginning`."""
    for line in (TEMPLATE / "tests" / "template" / "bake" / "expected_files.txt").read_text().splitlines():
        name, *conditions = line.split()
        asked = (condition.split("=") for condition in conditions)
        if all(answers[question].startswith(choice) for question, choice in asked):
            yield name.format(dags=answers["dags_subpath"], package="my_etl")


@each_combination
def test_exactly_these_files(bake, answers):
    assert files_of(bake(**answers)) == set(expected_files(answers))


@each_combination
def test_every_file_is_well_formed(bake, answers):
    project = bake(**answers)
    for name in files_of(project):
        path = project / name
        if path.suffix == ".whl":
            continue
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".py":
            ast.parse(text, name, feature_version=tuple(map(int, QUESTIONS["_python_minimum"].split("."))))
        elif path.suffix == ".toml":
            tomllib.loads(text)
        elif path.suffix in (".yaml", ".yml"):
            list(yaml.safe_load_all(text))
        elif path.suffix in (".json", ".ipynb"):
            json.loads(text)
        assert not re.search(r"<<|<%|<#|%>|#>|cookiecutter\.", text), f"{name} holds template code"
        assert text.endswith("\n") or not text, f"{name} has no newline at its end"
        # What new-dag puts together ends as it has to.
        assert not text.endswith("\n\n") or path.suffix == ".txt", f"{name} ends with an empty line"
        assert not re.search(r"[ \t]+$", text, re.MULTILINE) or path.suffix == ".csv", f"{name}: blanks at a line's end"


@each_combination
def test_no_empty_folder(bake, answers):
    project = bake(**answers)
    empty = [
        path for path in project.rglob("*") if path.is_dir() and not any(path.iterdir()) and ".git" not in path.parts
    ]
    assert empty == []


@each_combination
def test_style(bake, answers):
    assert_style(bake(**answers))


@pytest.mark.parametrize("data_root", ["file:///opt/airflow/data", "abfs://data@account.dfs.core.windows.net/etl"])
def test_style_with_the_longest_names(bake, data_root):
    names = {"project_slug": "s" * 40, "namespace": "n" * 63, "owner": "o" * 50}
    assert_style(bake(**names, data_root=data_root))


def assert_style(project):
    ruff = [sys.executable, "-m", "ruff"]
    run([*ruff, "check", "--no-cache", "."], cwd=project)
    run([*ruff, "format", "--no-cache", "--check", "."], cwd=project)
    run([*make_command(), "lint-yaml"], cwd=project)


def template_files():
    """Return the template's files that cookiecutter renders: the hooks and the project."""
    hooks = (TEMPLATE / "hooks").glob("*.py")
    project = (path for path in PROJECT_FOLDER.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return [*hooks, *(path for path in project if not is_copied(path.relative_to(PROJECT_FOLDER)))]


def is_copied(name):
    """Tell whether cookiecutter copies a file, alone or with a folder that it is in, instead of rendering it."""
    return any(is_copy_only_path(str(path), {"cookiecutter": QUESTIONS}) for path in (name, *name.parents))


def test_what_has_nothing_to_render_is_copied():
    """Rendering is most of the time that a bake takes."""
    plain = [path for path in template_files() if PROJECT_FOLDER in path.parents and "<<" not in path.read_text()]
    plain = [path for path in plain if not re.search("<%|<#", path.read_text())]
    # The packages' few words.
    assert [path.name for path in plain] == ["__init__.py"] * 2


def test_no_stray_delimiter():
    """Only what Jinja is meant to read stands between the delimiters: nothing that it would swallow or stumble over."""
    allowed = re.compile(
        r"<<-? ?_?cookiecutter\b[^<>\n]*>>"
        r"|<<-? \w+(\.\w+)*( \| \w+)? ?>>"
        r"|<%-? (if|elif|else|endif|for|endfor|set|include|filter|endfilter|raw|endraw)\b[^%\n]*%>"
        r"|<# .* #>"
    )
    for path in template_files():
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            rest = allowed.sub("", line)
            assert not re.search(r"<<|<%|<#|#>", rest), f"{path.relative_to(TEMPLATE)}:{number}: {line.strip()}"
    for path in PROJECT_FOLDER.rglob("*"):
        name = str(path.relative_to(PROJECT_FOLDER.parent))
        assert not re.search(r"<<|<%|<#", allowed.sub("", name)), name


def test_versions_are_pinned_in_one_place_only():
    pins = {name: value for name, value in QUESTIONS.items() if name.endswith("_version") or "_version_" in name}
    # Shorter ones (a Python's 3.13, a minimum's 3.10) occur in words and numbers of all kinds.
    long = {name: value for name, value in pins.items() if value.count(".") == 2}
    # Our own, which stands in src/; make wheel writes it into cookiecutter.json and the lock.
    del long["_tools_version"]
    assert long
    tracked = run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=TEMPLATE).split("\0")
    for name in filter(None, tracked):
        path = TEMPLATE / name
        if (
            name in ("cookiecutter.json", "copier.yml", "CHANGELOG.md")
            or "stock_image.txt" in name
            or path.name == "states.json"  # recorded of a real cluster
            or path.suffix in (".csv", ".lock", ".png", ".svg", ".whl")
        ):
            continue
        text = path.read_text(encoding="utf-8")
        for pin, version in long.items():
            assert not re.search(rf"(?<![\d.]){re.escape(version)}(?![\d.])", text), f"{name} repeats {pin} {version}"


def test_every_pin_is_used():
    used = "".join(path.read_text(encoding="utf-8") for path in template_files())
    used += (TEMPLATE / "Makefile").read_text()
    for name in QUESTIONS:
        if name.startswith("_") and not name.startswith(("__", "_jinja2", "_copy")):
            assert f"cookiecutter.{name}" in used, f"{name} is pinned but nothing uses it"


def test_lock_is_hashed_and_names_no_registry(bake):
    lock = (bake() / "requirements.lock").read_text()
    assert not re.search(r"https?://|--index-url|--find-links|file://", lock)
    _, command, lock = lock.split("\n", 2)
    # Renovate takes from here how to write the file, and reads no other form of these options.
    options = f"--group=dev --python-version={QUESTIONS['_python_minimum']}"
    options += " --output-file=requirements.lock"
    assert command == f"#    uv pip compile {options} pyproject.toml"
    entries = re.split(r"\n(?=\S)", lock.strip())
    assert all(
        re.match(r"[a-z0-9._-]+(\[[a-z0-9,._-]+\])?==\S+", entry) and "--hash=sha256:" in entry for entry in entries
    )
    for pin, package in (
        ("_airflow_version", "apache-airflow"),
        ("_pandas_version", "pandas"),
        ("_ruff_version", "ruff"),
    ):
        assert f"\n{package}=={QUESTIONS[pin]} " in lock, f"{package} is not locked at {pin}: make lock"


def test_modes(bake):
    """A file is executable exactly when its first line says with what."""
    project = bake()
    for path in project.rglob("*"):
        if path.is_file() and not {".git", "__pycache__"} & set(path.relative_to(project).parts):
            executable = bool(path.stat().st_mode & stat.S_IXUSR)
            assert executable == path.read_bytes().startswith(b"#!"), (
                f"{path.relative_to(project)}: mode and first line differ"
            )


def test_no_absolute_path_of_this_machine(bake):
    project = bake()
    for name in files_of(project):
        assert str(TEMPLATE).encode() not in (project / name).read_bytes()


def test_two_bakes_are_the_same(bake, bake_fresh):
    one, other = bake(), bake_fresh()
    assert files_of(one) == files_of(other)
    for name in files_of(one):
        assert (one / name).read_bytes() == (other / name).read_bytes(), name


def test_every_name_at_the_root_of_a_project_is_refused_as_folder_of_dags(bake):
    for path in bake().iterdir():
        if path.name != "dags":
            answers = {"dags_subpath": path.name, "namespace": "a", "expose": "port-forward"}
            assert list(check_places(answers)), path.name


def test_what_is_secret_or_large_stays_out_of_an_image(bake):
    """Each line of .gitignore that is about secrets or about a machine's own state is one of .dockerignore, too."""
    ignored = (TEMPLATE / "src/etl_tools/local/dockerignore.txt").read_text(encoding="utf-8").splitlines()
    assert {"/secrets/", "/.env", "/.airflow/", "/.venv/", "/.git/", "**/*.pem", "**/*.key"} <= set(ignored)
    by_git = [line for line in (bake() / ".gitignore").read_text(encoding="utf-8").splitlines() if line[:1] == "/"]
    assert {line for line in by_git if not line.startswith("/secrets/")} <= set(ignored)
