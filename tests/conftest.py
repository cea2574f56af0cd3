"""What all tests share: baking the template, quickly and apart from the user's own settings."""

import functools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import yaml
from cookiecutter import environment, generate
from cookiecutter.main import cookiecutter
from jinja2 import FileSystemBytecodeCache

# A shell that starts the tests in the background has Ctrl-C ignored, and what the tests start would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

TEMPLATE = Path(__file__).resolve().parents[1]
PROJECT_FOLDER = TEMPLATE / "<<cookiecutter.project_slug>>"
QUESTIONS = json.loads((TEMPLATE / "cookiecutter.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="session", autouse=True)
def _apart(tmp_path_factory):
    """Keep replay files, rendered hooks and git's settings out of the home folder and of /tmp."""
    home = tmp_path_factory.mktemp("home")
    temporary = tmp_path_factory.mktemp("tmp")
    (home / ".gitconfig").write_text("[user]\nname = Test\nemail = test@example.com\n[init]\ndefaultBranch = trunk\n")
    config = home / "cookiecutter.yaml"
    config.write_text(f'cookiecutters_dir: "{home}/cookiecutters"\nreplay_dir: "{home}/replay"\n')
    patch = pytest.MonkeyPatch()
    patch.setenv("GIT_CONFIG_GLOBAL", str(home / ".gitconfig"))
    patch.setenv("COOKIECUTTER_CONFIG", str(config))
    patch.setenv("TMPDIR", str(temporary))
    # uv, which the Makefile brings where there is none.
    patch.setenv("PATH", f"{os.environ['PATH']}:{TEMPLATE}/.tools/bin")
    patch.setattr("tempfile.tempdir", str(temporary))
    cache = tmp_path_factory.mktemp("jinja")

    class CachedEnvironment(environment.StrictEnvironment):
        def __init__(self, **options):
            super().__init__(**options)
            self.bytecode_cache = FileSystemBytecodeCache(str(cache))

    patch.setattr(generate, "create_env_with_context", _environment_maker(CachedEnvironment))
    yield
    patch.undo()


def _environment_maker(environment_class):
    def make(context):
        options = context["cookiecutter"].get("_jinja2_env_vars", {})
        return environment_class(context=context, keep_trailing_newline=True, **options)

    return make


def pytest_xdist_make_scheduler(config, log):
    """Keep a file's group on one worker: xdist 3.8 writes it into test ids, which pytest 9.2 does not let it change."""
    from xdist.scheduler import LoadScopeScheduling

    class ByGroup(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            return group_of(nodeid.partition("::")[0]) or nodeid

    return ByGroup(config, log) if config.getvalue("dist") == "loadgroup" else None


@functools.cache
def group_of(file):
    """Return the xdist_group of a file, that of its pytestmark or of one of its tests, or None."""
    mark = r'^(?:pytestmark = .*|@pytest\.mark\.)xdist_group\("([^"]+)"\)'
    found = re.search(mark, (TEMPLATE / file).read_text(), re.MULTILINE)
    return found and found[1]


def pytest_terminal_summary(terminalreporter):
    """Say in one line how many tests were skipped for want of the chart, and how to get it."""
    from tests.etl_tools.cluster.helm_chart import HOW_TO_GET_IT, WITHOUT_CHART

    skipped = [report for report in terminalreporter.stats.get("skipped", []) if WITHOUT_CHART in str(report.longrepr)]
    if skipped:
        terminalreporter.write_line(f"{len(skipped)} skipped without the Airflow chart: {HOW_TO_GET_IT}", yellow=True)


def bake_into(folder, **answers):
    """Bake the template into `folder` with these answers (the others are the defaults); return the project's path."""
    assert answers.keys() <= QUESTIONS.keys(), "cookiecutter would ignore what is not a question"
    return Path(cookiecutter(str(TEMPLATE), no_input=True, extra_context=answers, output_dir=str(folder)))


@pytest.fixture(scope="session")
def bake(tmp_path_factory):
    """Return a function: answers → a baked project that tests only read; each set of answers is baked once."""
    baked = {}

    def cached(**answers):
        key = tuple(sorted(answers.items()))
        if key not in baked:
            baked[key] = bake_into(tmp_path_factory.mktemp("bake"), **answers)
        return baked[key]

    cached.projects = baked
    return cached


@pytest.fixture(autouse=True)
def baked_projects_stay_as_baked(bake):
    """Others are copied from them: what a command left in `.airflow` would be in the next ones."""
    yield
    for project in bake.projects.values():
        shutil.rmtree(project / ".airflow", ignore_errors=True)


@pytest.fixture
def bake_fresh(bake, tmp_path):
    """Return a function: answers → a baked project of the test's own, to change and to break."""

    def fresh(**answers):
        project = bake(**answers)
        return Path(shutil.copytree(project, tmp_path / "fresh" / project.name, symlinks=True))

    return fresh


@pytest.fixture(scope="session")
def installed(bake, tmp_path_factory):
    """Return a function: answers → a baked project with its .venv, installed from its own requirements.lock.

    Equal locks share one .venv: Python compiles Airflow once, which takes longer than to install it.
    """
    projects, environments = {}, {}

    def install(**answers):
        key = tuple(sorted(answers.items()))
        if key not in projects:
            source = bake(**answers)
            project = tmp_path_factory.mktemp("installed") / source.name
            shutil.copytree(source, project, symlinks=True)
            # What `make deploy` says that s3:// needs.
            more = "apache-airflow-providers-amazon[s3fs]" if answers.get("data_root", "").startswith("s3:") else ""
            wanted = (project / "requirements.lock").read_bytes(), more
            if wanted in environments:
                (project / ".venv").symlink_to(environments[wanted])
                (project / "requirements.lock").touch()  # make sees to it all the same
            run(["make", "install"], cwd=project)
            if more:
                run(["make", "add"], cwd=project, PKG=more)
            environments.setdefault(wanted, project / ".venv")
            projects[key] = project
        return projects[key]

    return install


@pytest.fixture(scope="session")
def next_airflow(tmp_path_factory):
    """Python with the newest Airflow 3.4 that the index has, betas too."""
    folder = tmp_path_factory.mktemp("next")
    run(["uv", "venv", "--quiet", "--python", sys.executable, ".venv"], cwd=folder)
    install = ["uv", "pip", "install", "--quiet", "--python", ".venv/bin/python", "--prerelease=allow"]
    command = [*install, "apache-airflow>=3.4.0b1,<3.5", "ruff"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if re.search(r"no version of apache-airflow|only .*apache-airflow.*(available|found)", done.stderr):
        pytest.skip("the index has no Airflow 3.4")
    assert done.returncode == 0, done.stderr
    return folder / ".venv" / "bin" / "python"


@functools.cache
def make_command():
    """Return make as a command that takes this Python, with its PyYAML, for the project's, and installs nothing."""
    venv = with_tools(Path(tempfile.mkdtemp())) / ".venv"
    old = f"--old-file={venv}/.installed"
    # Make hands variables on to the makes that it calls, but not this option: they would install Airflow here.
    return ["make", f"VENV={venv}", old, f"MAKE=make {old}"]


def with_tools(project):
    """Give a project this environment as its .venv, which has all but Airflow; return the project."""
    venv = project / ".venv"
    venv.mkdir()
    for name in ("bin", "lib", "pyvenv.cfg"):
        (venv / name).symlink_to(Path(sys.prefix) / name)
    (venv / ".installed").touch()
    return project


def run(command, cwd, expect=0, **environment_variables):
    """Run a command; return what it printed (both streams). A status other than `expect` fails with that text.

    A variable given as None is taken out of the environment.
    """
    environment_of_command = clean_environment() | environment_variables
    done = subprocess.run(
        command,
        cwd=cwd,
        env={name: value for name, value in environment_of_command.items() if value is not None},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert expect is None or done.returncode == expect, f"{command} ended with {done.returncode}:\n{done.stdout}"
    return done.stdout


def secret_manifests(project):
    """Return the Secrets of a project as kubectl gets them."""
    from tests.etl_tools.in_process import etl

    printed = etl(project, "manifests")
    return list(yaml.safe_load_all(printed))


def clean_environment():
    """Return this process's environment without what pytest, make, CI and a virtual environment put there."""
    ours = ("PYTEST_", "MAKE", "MFLAGS", "VIRTUAL_ENV", "PYTHON", "AIRFLOW", "ETL_", "GITHUB_", "GITLAB_", "COV_")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}
